/* udp.h: what the files of the UDP transport share.
 *
 * udp.c is the port and its peers; udp_send.c is what leaves; under both is udp_socket.c,
 * which speaks to the kernel, and beside them udp_door.c, which says whom of the unknown
 * senders to let in. */
#ifndef TRANSPORTS_UDP_H
#define TRANSPORTS_UDP_H

#include <partyline/address.h>
#include <sys/types.h>

#define HASH_NONFATAL_OOM 1 /* hh.tbl is NULL then */
#include <uthash.h>

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
	uint32_t overflowed; /* datagrams that the kernel had no room for, since ever */
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

/* Is its IPv6 address one that carries an IPv4 address, as ::ffff:127.0.0.1 and ::127.0.0.1
 * do?  Honest packets have no such source, but the kernel hands forged ones even to a socket
 * that is IPv6 alone.  Read as the IPv4 address it would be trusted, or be a peer (U13): so
 * this is asked first, and what comes from such an address, or is said of it, is counted
 * and no more. */
bool pl_udp_is_nobody(const struct pl_udp_sender *from);
#define PL_UDP_NOBODY "udp: datagrams ignored: an address that no wire has"

/* Is it an address of this machine, of whichever interface?  A socket that may be bound to
 * it says so: that is right at any moment, is all that a confined process may still ask,
 * and costs some microseconds.  If it cannot be found out, yes: who is kept waiting without
 * an answer can take another port, and a loop does not end (U14). */
bool pl_udp_is_here(const struct pl_address *address);

/* Did `from` come out of the socket that is bound so?  One that is bound to every address
 * has all of this machine; they are asked for only if the port is the same. */
bool pl_udp_is_own(const struct pl_udp_sender *from, const struct sockaddr *bound);

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
enum {
	PL_UDP_PREFIX_V4 = 24,
	PL_UDP_PREFIX_V6 = 56,
	PL_UDP_WIDE_PREFIX_V4 = 16,
	PL_UDP_WIDE_PREFIX_V6 = 48 /* one customer of many providers has so much */
};

struct pl_udp_secret {
	unsigned char key[16];
};

/* What was used up in this second: of all, and by slot of networks. */
struct pl_udp_budget {
	unsigned used;
	unsigned char used_in_slot[256];
};

/* Sets of addresses that forget none and take a few others for members. */
enum { PL_UDP_ASKED_WORDS = 4096, PL_UDP_KNOCKED_WORDS = 32768 };

struct pl_udp_asked {
	uint64_t bits[PL_UDP_ASKED_WORDS];
};

struct pl_udp_knocked {
	uint64_t bits[PL_UDP_KNOCKED_WORDS];
};

struct pl_udp_door {
	struct pl_reactor *reactor;
	int verify;
	struct pl_prefix *trust;
	size_t n_trust;
	struct pl_udp_secret slot_key;
	struct pl_udp_secret secrets[2];  /* this minute's, the last one's */
	struct pl_udp_asked asked[2];     /* who was told a code of that secret */
	struct pl_udp_knocked knocked[2]; /* who was ignored: lately, and before that */
	uint64_t secret_ms, second_ms, knocked_ms;
	struct pl_udp_budget answers, again, guesses;
	uint16_t codes_used[8192]; /* by slot of addresses */
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

/* What to do with a datagram of an unknown sender, who is none of our own sockets. */
enum pl_udp_verdict pl_udp_door_ask(struct pl_udp_door *d,
                                    const struct pl_udp_sender *from, const char *data,
                                    size_t len, char answer[PL_UDP_ANSWER_MAX + 1]);

/* On this machine, or in trust=. */
bool pl_udp_door_trusts(const struct pl_udp_door *d, const struct sockaddr *sa);

/* For the table of peers: keyed, or somebody would fill one bucket of it. */
uint64_t pl_udp_hash(const struct pl_udp_secret *secret, const void *data, size_t len);

/* --- udp.c: ports and peers ----------------------------------------------------------- */

/* What gets through on every path without fragments (RFC 9000, section 14). */
enum { PL_UDP_DATAGRAM_MAX = 1200 };

struct udp_port;
struct udp_socket;

struct udp_peer {
	struct pl_transport transport;
	struct udp_socket *socket;
	struct pl_udp_sender sender;
	UT_hash_handle hh;            /* in the port's table, until it is destroyed */
	struct udp_peer *prev, *next; /* in the port's `open` */
	struct udp_peer *wait_prev, *wait_next; /* in the socket's `waiting` */
	uint64_t heard_ms;
	unsigned refusals; /* since it was heard last */
	size_t gap;        /* lines to it that are lost, of which it has not read yet */
	size_t unheard;    /* lines of it that are lost, since it was paused */
	bool open, waiting, closed;
};

struct udp_socket {
	struct pl_watch watch;
	struct udp_port *port;
	struct pl_address bound;
	uint32_t overflowed;
	struct udp_peer *waiting; /* for room in the kernel, in turn */
};

struct udp_port {
	struct pl_port port;
	struct udp_socket sockets[PL_ADDRESS_LIST];
	int n_sockets;
	long number;
	uint64_t idle_ms;
	struct pl_timer idle, gaps;
	struct udp_peer *peers; /* the table */
	struct udp_peer *open;  /* who can be heard, the longest silent one first */
	struct pl_udp_secret table_key;
	struct pl_udp_door door;
	bool stopping;
};

struct udp_peer *pl_udp_find(const struct udp_port *port, const struct pl_udp_key *key);

/* --- udp_send.c: what leaves ---------------------------------------------------------- */

void pl_udp_set_wants(struct udp_socket *s);
void pl_udp_kick(struct pl_transport *t);        /* pl_transport_ops.kick */
void pl_udp_send_waiting(struct udp_socket *s);  /* there is room */
void pl_udp_wait_no_more(struct udp_peer *peer); /* accepts one that does not */
void pl_udp_on_gaps(struct pl_timer *timer);     /* udp_port.gaps */

/* To somebody who is no peer. */
void pl_udp_answer(struct udp_socket *s, const struct pl_udp_sender *to, const char *text);

/* Reads every error the socket has, false when there was none: each is about one peer,
 * and no other (U10). */
bool pl_udp_read_errors(struct udp_socket *s);

#endif
