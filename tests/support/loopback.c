/* loopback.c: see loopback.h. */
#include "loopback.h"

#include <errno.h>
#include <partyline/transport_impl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int loopback_number(const char *name)
{
	const char *colon = strchr(name, ':');

	return colon ? (int)strtol(colon + 1, NULL, 10) : 0;
}

struct sockaddr_in loopback_address(const char *name)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((uint16_t)loopback_number(name));
	return address;
}

int loopback_connect(const char *name)
{
	const struct sockaddr_in to = loopback_address(name);
	int fd = socket(AF_INET, SOCK_STREAM, 0), code;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 &&
	    pl_set_nonblocking(fd) == 0)
		return fd;
	code = -errno;
	close(fd);
	return code;
}
