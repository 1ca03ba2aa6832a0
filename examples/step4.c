/* Step 4: a greeting, who comes and who goes, and /exit.
 *
 *     ./step4 tcp:1234 udp:1234 pty:step.tty       and elsewhere: nc localhost 1234 */
#include <partyline/partyline.h>
#include <string.h>

struct party {
	struct pl_line_factory factory;
	struct pl_group everybody;
};

struct person {
	struct pl_line_receiver line;
	struct pl_group_link member;
};

static struct pl_group *everybody(struct pl_line_receiver *l)
{
	return &pl_container_of(l->factory, struct party, factory)->everybody;
}

static void connection_made(struct pl_line_receiver *l)
{
	struct person *p = pl_container_of(l, struct person, line);
	const struct pl_peer *peer = pl_line_peer(l);

	pl_send_linef(l, "Welcome, %s! Say something; /exit leaves.", peer->name);
	pl_group_sendf(everybody(l), NULL, "* %s has joined (%s)", peer->name, peer->type);
	pl_group_join(everybody(l), &p->member, l);
}

static void line_received(struct pl_line_receiver *l, const char *line, size_t len)
{
	(void)len;
	if (strcmp(line, "/exit") == 0) {
		pl_send_linef(l, "Goodbye!");
		pl_line_lose(l);
		return;
	}
	pl_group_sendf(everybody(l), l, "<%s> %s", pl_line_peer(l)->name, line);
}

static void connection_lost(struct pl_line_receiver *l, int reason)
{
	const struct pl_peer *peer = pl_line_peer(l);

	(void)reason;
	pl_group_sendf(everybody(l), NULL, "* %s has left (%s)", peer->name, peer->type);
}

int main(int argc, char **argv)
{
	const struct pl_line_receiver_ops ops = { .connection_made = connection_made,
		                                  .line_received = line_received,
		                                  .connection_lost = connection_lost };
	struct party party;

	pl_group_init(&party.everybody, NULL);
	pl_line_factory_init(&party.factory, &ops, sizeof(struct person));
	return pl_main(argc, argv, &party.factory.factory);
}
