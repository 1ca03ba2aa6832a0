/* Step 2: print the lines that arrive, and who typed them.
 *
 *     ./step2 tcp:1234 udp:1234 pty:step.tty       and elsewhere: nc localhost 1234 */
#include <partyline/partyline.h>
#include <stdio.h>
#include <stdlib.h>

static void line_received(struct pl_line_receiver *l, const char *line, size_t len)
{
	(void)len;
	printf("<%s> %s\n", pl_line_peer(l)->name, line);
	fflush(stdout);
}

static void connection_lost(struct pl_line_receiver *l, int reason)
{
	(void)reason;
	free(l);
}

static struct pl_protocol *build_protocol(struct pl_factory *f, const struct pl_peer *peer)
{
	static const struct pl_line_receiver_ops ops = { NULL, line_received,
		                                         connection_lost };
	struct pl_line_receiver *l = calloc(1, sizeof *l);

	(void)f, (void)peer;
	return l ? pl_line_receiver_init(l, &ops) : NULL;
}

int main(int argc, char **argv)
{
	const struct pl_factory_ops ops = { .build_protocol = build_protocol,
		                            .usage = PL_LINE_USAGE };

	return pl_main(argc, argv, &(struct pl_factory){ &ops });
}
