/* backends.c: the transports that this build has, one line each. */
#include <partyline/transport_impl.h>

extern const struct pl_backend pl_tcp_backend, pl_udp_backend, pl_unix_backend,
	pl_pty_backend, pl_serial_backend, pl_mem_backend;

const struct pl_backend *const pl_backends[] = {
	&pl_tcp_backend,    &pl_udp_backend,
	&pl_unix_backend,   &pl_pty_backend,
#ifdef PARTYLINE_HAVE_SERIAL
	&pl_serial_backend,
#endif
	&pl_mem_backend,    NULL,
};
