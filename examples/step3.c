/* Step 3: everybody reads what anybody types.
 *
 *     ./step3 tcp:1234 udp:1234 pty:step.tty       and elsewhere: nc localhost 1234 */
#include <partyline/partyline.h>
#include <stdlib.h>

struct party {
	struct pl_factory factory;
	struct pl_group everybody;
};

struct person {
	struct pl_line_receiver line;
	struct pl_group_link member;
	struct party *party;
};

static void connection_made(struct pl_line_receiver *l)
{
	struct person *p = pl_container_of(l, struct person, line);

	pl_group_join(&p->party->everybody, &p->member, l);
}

static void line_received(struct pl_line_receiver *l, const char *line, size_t len)
{
	struct person *p = pl_container_of(l, struct person, line);

	(void)len;
	pl_group_sendf(&p->party->everybody, l, "<%s> %s", pl_line_peer(l)->name, line);
}

static void connection_lost(struct pl_line_receiver *l, int reason)
{
	(void)reason;
	free(pl_container_of(l, struct person, line)); /* he has left the group by himself */
}

static struct pl_protocol *build_protocol(struct pl_factory *f, const struct pl_peer *peer)
{
	static const struct pl_line_receiver_ops ops = { connection_made, line_received,
		                                         connection_lost };
	struct person *p = calloc(1, sizeof *p);

	(void)peer;
	if (!p)
		return NULL;
	p->party = pl_container_of(f, struct party, factory);
	return pl_line_receiver_init(&p->line, &ops);
}

int main(int argc, char **argv)
{
	const struct pl_factory_ops ops = { .build_protocol = build_protocol,
		                            .usage = PL_LINE_USAGE };
	struct party party = { .factory = { &ops } };

	pl_group_init(&party.everybody, NULL);
	return pl_main(argc, argv, &party.factory);
}
