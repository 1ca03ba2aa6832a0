/* first_words_test.c: whom their first words betray, and whom they do not (T7, S10). */
#include "cmocka_all.h"
#include "line/line_impl.h"
#include "person.h"

#include <errno.h>
#include <partyline/stats.h>
#include <partyline/testing.h>
#include <string.h>

static void lines_of_machines_and_of_people(void **state)
{
	static const struct {
		const char *line;
		bool terminal, machine;
	} rows[] = {
		{ "GET / HTTP/1.1", false, true },
		{ "GET http://example.org/ HTTP/1.0", false, true },
		{ "HEAD / HTTP/1.0", false, true },
		{ "POST /login.php?a=b HTTP/1.1", false, true },
		{ "OPTIONS * HTTP/1.1", false, true },
		{ "CONNECT example.org:443 HTTP/1.1", false, true },
		{ "PRI * HTTP/2.0", false, true },
		{ "GET / HTTP/1.1", true, false },
		{ "GET me a coffee", false, false },
		{ "GET", false, false },
		{ "get / HTTP/1.1", false, false },
		{ "GET HTTP/1.1 explained, anybody?", false, false },
		{ "PUT it down", false, false },
		{ "hello", false, false },
		{ "AT S7=45 S0=0 L1 V1 X4 &c1 E1 Q0", true, true },
		{ "ATZ", true, true },
		{ "AT", true, false },
		{ "ATM", true, false },
		{ "ATX", true, false },
		{ "AT&T", true, false },
		{ "AT W7", true, false },
		{ "AT B2B", true, false },
		{ "ATS7=45", true, true },
		{ "ATE0", true, true },
		{ "ATE1 Q0 V1", true, true },
		{ "AT&F1", true, true },
		{ "AT ", true, false },
		{ "AT+", true, false },
		{ "SSH-2.0-OpenSSH_9.2p1", false, true },
		{ "SSH-keys are lost", false, false },
		{ "AT+GCAP", true, true },
		{ "AT HOME", true, false },
		{ "AT LAST", true, false },
		{ "AT 5 PM", true, false },
		{ "AT&T was a telephone company", true, false },
		{ "ATTENTION PLEASE", true, false },
		{ "at s7=45", true, false },
		{ "ATZ", false, false },
		{ "OK", true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct pl_peer peer = { .terminal = rows[i].terminal };

		if (pl_first_line_is_no_persons(&peer, rows[i].line,
		                                strlen(rows[i].line)) != rows[i].machine)
			fail_msg("%s", rows[i].line);
	}
}

static void a_request_that_was_cut_is_one(void **state)
{
	const struct pl_peer peer = { .terminal = false };
	char line[PL_LINE_MAX + 1];

	(void)state;
	memset(line, 'a', PL_LINE_MAX);
	line[PL_LINE_MAX] = '\0';
	memcpy(line, "GET /", 5);
	assert_true(pl_first_line_is_no_persons(&peer, line, PL_LINE_MAX));
	line[PL_LINE_MAX - 1] = '\0';
	assert_false(pl_first_line_is_no_persons(&peer, line, PL_LINE_MAX - 1));
}

/* --- on a connection, whole and byte by byte -------------------------------------- */

struct place {
	struct pl_world *world;
	struct person ann;
};

static void connect_as(struct place *p, bool terminal)
{
	memset(p, 0, sizeof *p);
	p->world = pl_world_create(1);
	person_connect(&p->ann, pl_world_reactor(p->world), terminal, "");
}

static void finish(struct place *p)
{
	pl_world_settle(p->world);
	if (!p->ann.gone)
		pl_abort(&p->ann.wire, 0);
	pl_world_settle(p->world);
	pl_world_destroy(p->world);
	person_finish(&p->ann);
}

/* In every two-way split. */
static void assert_fate(const char *bytes, size_t len, bool terminal, bool turned_out)
{
	for (size_t cut = 0; cut <= len; cut++) {
		struct place p;

		connect_as(&p, terminal);
		if (cut > 0)
			person_types_bytes(&p.ann, bytes, cut);
		if (cut < len)
			person_types_bytes(&p.ann, bytes + cut, len - cut);
		pl_world_settle(p.world);
		assert_int_equal(p.ann.lost, turned_out);
		if (turned_out) {
			assert_int_equal(p.ann.reason, -EPROTO);
			assert_null(strpbrk(p.ann.heard.text, "GAT")); /* but for empty lines */
			assert_int_equal(pl_counted(pl_world_reactor(p.world),
			                            "connections: turned away, HTTP, TLS "
			                            "or modem"),
			                 1);
		}
		finish(&p);
	}
}

#define FATE(bytes, terminal, turned_out) \
	assert_fate(bytes, sizeof(bytes) - 1, terminal, turned_out)

static void in_any_pieces_they_are_turned_out_before_a_line_is_heard(void **state)
{
	(void)state;
	FATE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", false, true);
	FATE("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", false, true);
	FATE("\r\n\r\nGET / HTTP/1.1\r\n", false, true);
	FATE("AT S7=45 S0=0 L1 V1 X4 &c1 E1 Q0\r", true, true);
}

static void everybody_else_is_heard(void **state)
{
	(void)state;
	FATE("\x16hello\r\n", false, false);
	FATE("a\x16\x03\r\n", false, false);
	FATE("\x03\x16\r\n", false, false);
	FATE("hello\nGET / HTTP/1.1\r\n", false, false);
	FATE("\x16\x03\r", true, false);
	FATE("hello\rATZ\r", true, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_machines_and_of_people),
		cmocka_unit_test(a_request_that_was_cut_is_one),
		cmocka_unit_test(in_any_pieces_they_are_turned_out_before_a_line_is_heard),
		cmocka_unit_test(everybody_else_is_heard),
	};

	return cmocka_run_group_tests_name("first_words", tests, NULL, NULL);
}
