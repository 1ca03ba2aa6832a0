/* udp.h: what the files of the UDP transport share.
 *
 * udp.c is the port and its peers; under it udp_socket.c, which sends and receives, and
 * beside it udp_door.c, which says whom of the unknown senders to let in. */
#ifndef TRANSPORTS_UDP_H
#define TRANSPORTS_UDP_H

#include <partyline/address.h>
#include <sys/types.h>

/* --- udp_socket.c: datagrams, and whose they are ------------------------------------ */

/* An address in bytes alone, without padding: it is hashed and compared as it is. */
struct pl_udp_key {
	unsigned char host[16], scope[4], port[2];
};

/* Where a datagram came from, and which of our addresses it was sent to: a peer takes an
 * answer from that one only. */
struct pl_udp_sender {
	struct pl_address from;
	struct pl_udp_key key;
	unsigned char to[16];
	unsigned to_interface;  /* 0 unless the address needs it */
	bool to_known, to_many; /* to_many: it was a broadcast or multicast */
};

/* Options for a bound socket.  What a system does not know is done without. */
void pl_udp_prepare(int fd, int family);

/* The bytes received, or a negative errno; *cut: there were more than fit. */
ssize_t pl_udp_receive(int fd, struct pl_udp_sender *from, struct iovec *into, bool *cut);

/* 0 or a negative errno, which may be about a datagram sent before, to somebody else:
 * then read the refusals and try once more. */
int pl_udp_send(int fd, const struct pl_udp_sender *to, struct iovec *iov, size_t n);

/* Takes one error out of the socket, false when there is none.  *from tells whose
 * datagram it was if *refused, that is if nobody listens there any more. */
bool pl_udp_next_error(int fd, struct pl_udp_sender *from, bool *refused);

/* Makes from->key from its address; receive and next_error have done so. */
void pl_udp_make_key(struct pl_udp_sender *from);

static inline const struct sockaddr *pl_udp_address(const struct pl_udp_sender *s)
{
	return (const struct sockaddr *)&s->from.ss;
}

/* --- udp_door.c: strangers ---------------------------------------------------------- */

#define PL_UDP_DOOR_USAGE "[:verify=auto|always|never][:trust=CIDR[,CIDR...]]"

/* With the headers of IP and UDP no answer is more than three times what came in, be it
 * an empty datagram: 28 + text <= 3 * 28, and on IPv6 48 + text <= 3 * 48 (U1). */
enum { PL_UDP_ANSWER_MAX = 3 * 28 - 28 };

/* Networks that count as one place (U3). */
enum { PL_UDP_PREFIX_V4 = 24, PL_UDP_PREFIX_V6 = 56 };

struct pl_udp_secret {
	unsigned char key[16];
};

struct pl_udp_door {
	struct pl_reactor *reactor;
	int verify;
	struct pl_prefix *trust;
	size_t n_trust;
	struct pl_udp_secret slot_key,
		secrets[2]; /* secrets: this minute's, the last one's */
	uint64_t secret_ms, second_ms;
	unsigned seen; /* in this second: of all, and by slot of networks */
	unsigned char seen_in_slot[256];
	unsigned char codes_used[4096]; /* by slot of addresses */
};

enum pl_udp_verdict {
	PL_UDP_IGNORE,
	PL_UDP_ANSWER, /* send him the answer, and forget him */
	PL_UDP_JOIN,   /* let him in; what he sent was the code */
	PL_UDP_JOIN_AND_SAY
};

/* 0 or a negative errno with a sentence. */
int pl_udp_door_init(struct pl_udp_door *d, struct pl_reactor *r,
                     const struct pl_endpoint *ep, struct pl_error *err);
void pl_udp_door_finish(struct pl_udp_door *d); /* accepts zeroed memory */

/* What to do with a datagram of an unknown sender that came to the port `number`. */
enum pl_udp_verdict pl_udp_door_ask(struct pl_udp_door *d, const struct pl_udp_sender *from,
                                    long number, const char *data, size_t len,
                                    char answer[PL_UDP_ANSWER_MAX + 1]);

/* On this machine, or in trust=. */
bool pl_udp_door_trusts(const struct pl_udp_door *d, const struct sockaddr *sa);

/* For the table of peers: keyed, or somebody would fill one bucket of it. */
uint64_t pl_udp_hash(const struct pl_udp_secret *secret, const void *data, size_t len);

#endif
