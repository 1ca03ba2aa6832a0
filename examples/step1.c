/* Step 1: print the lines that arrive.
 *
 *     ./step1 tcp:1234 udp:1234 pty:step.tty       and elsewhere: nc localhost 1234 */
#include <partyline/partyline.h>
#include <stdio.h>

static void line_received(struct pl_line_receiver *l, const char *line, size_t len)
{
	(void)l, (void)len;
	puts(line);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const struct pl_line_receiver_ops ops = { .line_received = line_received };
	struct pl_line_factory factory;

	pl_line_factory_init(&factory, &ops, sizeof(struct pl_line_receiver));
	return pl_main(argc, argv, &factory.factory);
}
