/* subjects_udp.c: the far end is a datagram socket on loopback. */
#include "loopback.h"
#include "subject.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include <partyline/transport_impl.h>

#define NEVER_FULL "a datagram socket is never full: what a peer does not read is lost"

static const struct exception excepted[] = {
	{ "order_is_kept_from_the_peer", "datagrams may be lost" },
	{ "order_is_kept_to_the_peer", "datagrams may be lost" },
	{ "the_end_of_input_is_an_event_and_writing_still_works", "no half-close" },
	{ "who_asks_may_stay_after_the_end_of_input", "no half-close" },
	{ "who_stays_after_the_peer_has_gone_entirely_writes_to_nobody", "no half-close" },
	{ "a_farewell_arrives_though_input_is_unread",
	  "datagrams while paused are dropped" },
	{ "data_held_while_paused_is_delivered_after_resume", "they are dropped instead" },
	{ "pausing_inside_data_received_holds_the_rest", "they are dropped instead" },
	{ "the_high_mark_pauses_once_and_the_low_mark_resumes_once", NEVER_FULL },
	{ "the_hard_mark_ends_the_connection", NEVER_FULL },
	{ "the_hard_mark_drops_whole_units_where_marks_are_lossy", NEVER_FULL },
	{ "a_peer_behind_for_longer_than_age_is_lost", NEVER_FULL },
	{ "a_peer_that_catches_up_in_time_is_kept", NEVER_FULL },
	{ "a_peer_that_takes_nothing_is_let_go_after_five_seconds", NEVER_FULL },
	{ "stopping_the_port_keeps_connections", "peers end with their socket" },
	{ "a_port_stopped_inside_a_call_up_keeps_connections",
	  "peers end with their socket" },
	{ NULL, NULL },
};

static void prepare(struct bench *b)
{
	snprintf(b->endpoint, sizeof(b->endpoint), "udp:0");
}

static int udp_connect(struct client *c)
{
	const struct sockaddr_in to = loopback_address(c->bench->name);

	c->fd = socket(AF_INET, SOCK_DGRAM, 0);
	pl_set_nonblocking(c->fd);
	if (connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	/* An empty line joins and says nothing. */
	return send(c->fd, "\n", 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

const struct subject subject_udp = {
	.type = "udp",
	.excepted = excepted,
	.bulk = 8 * 1024,
	.max_send = 1000,
	.endless = true,
	.leaves_silently = true,
	.gone = "made; lost -111",
	.prepare = prepare,
	.connect = udp_connect,
	.send = fd_send,
	.receive = fd_receive,
	.close = fd_close,
};
