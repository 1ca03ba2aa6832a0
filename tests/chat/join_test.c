/* join_test.c: what newcomers read, which names they get, what the others are told. */
#include "hall.h"

#include <partyline/stats.h>

#include <errno.h>
#include <partyline/log.h>
#include <partyline/transport.h>
#include <string.h>

/* Replaces the hall of the setup by one with these words. */
static struct hall *another(void **state, const struct chat_options *options)
{
	hall_close(state);
	*state = hall_create(options);
	return *state;
}

/* --- greetings ---------------------------------------------------------------------- */

static void the_greeting_has_three_lines_and_the_name(void **state)
{
	struct hall *h = another(state, &(struct chat_options){ .name = "lab" });

	assert_reads(hall_enter(h, "lobby"),
	             "Welcome to lab!\n"
	             "Nobody else is here yet.\n"
	             "/help lists commands, /nick NAME names you, /exit leaves.\n"
	             "-- you are guest1 --\n");
	hall_announce(h);
	assert_reads(hall_enter(h, "lobby"),
	             "Welcome to lab!\n"
	             "Here now: guest1.\n"
	             "/help lists commands, /nick NAME names you, /exit leaves.\n"
	             "-- you are guest2 --\n");
	hall_announce(h);
	assert_reads(hall_enter(h, "lobby"),
	             "Welcome to lab!\n"
	             "Here now: guest1, guest2.\n"
	             "/help lists commands, /nick NAME names you, /exit leaves.\n"
	             "-- you are guest3 --\n");
}

static void the_greeting_says_how_udp_joins(void **state)
{
	struct hall *h = another(state, &(struct chat_options){ .name = "lab" });

	assert_int_equal(chat_set_udp_hint(h->chat, "nc -u localhost 99"), 0);
	assert_int_equal(chat_set_udp_hint(h->chat, "nc -u localhost 1234"), 0);
	assert_reads(hall_enter(h, "lobby"),
	             "Welcome to lab!\n"
	             "Nobody else is here yet.\n"
	             "/help lists commands, /nick NAME names you, /exit leaves.\n"
	             "By UDP: nc -u localhost 1234, then press Enter.\n"
	             "-- you are guest1 --\n");
}

static void the_greeting_names_few_of_many(void **state)
{
	struct hall *h = another(state, &(struct chat_options){ .name = "lab" });
	const char *line, *end;

	hall_listen(h, "mem:desk:nick=a_name.16-letter");
	for (int i = 0; i < 50; i++)
		hall_enter(h, "desk");
	hall_announce(h);
	line = strstr(pl_mem_user_screen(hall_enter(h, "lobby")), "Here now: ");
	assert_non_null(line);
	end = strstr(line, "\r\n");
	assert_in_range(end - line, 1, 79);
	assert_memory_equal(end - strlen(" and 47 more."), " and 47 more.", 13);
	/* Who has left is not counted. */
	hall_announce(h);
	pl_mem_user_hang_up(h->people[0]);
	pl_mem_user_hang_up(h->people[49]);
	assert_non_null(strstr(pl_mem_user_screen(hall_enter(h, "lobby")), " and 46 more."));
}

static void a_text_takes_the_place_of_the_greeting(void **state)
{
	struct hall *h = another(state, &(struct chat_options){ .name = "lab",
	                                                        .motd = "Hello,\n\nworld.",
	                                                        .motd_len = 14 });

	chat_set_udp_hint(h->chat, "nc -u localhost 1234");
	assert_reads(hall_enter(h, "lobby"), "Hello,\n\nworld.\n-- you are guest1 --\n");
}

static void a_text_is_made_fit_for_terminals(void **state)
{
	static const char text[] = "ding\a dong\r\nbad: \xff\0!\r\n\xc3\xa9\n";
	struct hall *h =
		another(state, &(struct chat_options){ .name = "lab",
	                                               .motd = text,
	                                               .motd_len = sizeof text - 1 });

	assert_reads(hall_enter(h, "lobby"),
	             "ding dong\nbad: \xef\xbf\xbd!\n\xc3\xa9\n-- you are guest1 --\n");
}

static void an_empty_text_says_nothing(void **state)
{
	assert_reads(hall_enter(*state, "lobby"), "-- you are guest1 --\n");
}

static void the_name_of_the_server_is_made_fit_for_terminals(void **state)
{
	struct hall *h = another(state, &(struct chat_options){ .name = "l\ab\nforged" });

	assert_non_null(strstr(pl_mem_user_screen(hall_enter(h, "lobby")),
	                       "Welcome to lb!\r\nNobody"));
}

/* --- names -------------------------------------------------------------------------- */

static void a_guest_gets_the_lowest_free_number(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *one, *two, *three;

	one = hall_enter(h, "lobby");
	two = hall_enter(h, "lobby");
	three = hall_enter(h, "lobby");
	pl_mem_user_hang_up(two);
	assert_reads(hall_enter(h, "lobby"), "-- you are guest2 --\n");
	pl_mem_user_type(one, "/nick Guest4\n");
	assert_reads(hall_enter(h, "lobby"), "-- you are guest1 --\n");
	assert_reads(hall_enter(h, "lobby"), "-- you are guest5 --\n");
	/* Not a guest's number as we write it. */
	pl_mem_user_type(three, "/nick guest06\n");
	assert_reads(hall_enter(h, "lobby"), "-- you are guest3 --\n");
	assert_reads(hall_enter(h, "lobby"), "-- you are guest6 --\n");
}

static void an_endpoint_may_name_who_comes(void **state)
{
	struct hall *h = *state;

	hall_listen(h, "mem:desk:nick=Ann");
	assert_reads(hall_enter(h, "desk"), "-- you are Ann --\n");
	assert_reads(hall_enter(h, "lobby"), "-- you are guest1 --\n");
}

static void the_name_of_an_endpoint_gets_a_number_when_it_is_taken(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *first = hall_enter(h, "lobby");

	hall_listen(h, "mem:desk:nick=Ann");
	pl_mem_user_type(first, "/nick aNN\n");
	assert_reads(hall_enter(h, "desk"), "-- you are Ann2 --\n");
	assert_reads(hall_enter(h, "desk"), "-- you are Ann3 --\n");
	pl_mem_user_hang_up(first);
	assert_reads(hall_enter(h, "desk"), "-- you are Ann --\n");
}

static void a_long_name_of_an_endpoint_is_cut_for_its_number(void **state)
{
	struct hall *h = *state;

	hall_listen(h, "mem:desk:nick=abcdefghijklmnop");
	assert_reads(hall_enter(h, "desk"), "-- you are abcdefghijklmnop --\n");
	assert_reads(hall_enter(h, "desk"), "-- you are abcdefghij2 --\n");
	assert_reads(hall_enter(h, "desk"), "-- you are abcdefghij3 --\n");
}

static void a_bad_name_of_an_endpoint_is_refused_with_a_sentence(void **state)
{
	static const struct {
		const char *endpoint, *sentence;
	} bad[] = {
		{ "mem:a:nick=abcdefghijklmnopq",
		  "mem:a:nick=abcdefghijklmnopq: a name has at most 16 characters" },
		{ "mem:b:nick=an/n", "mem:b:nick=an/n: a name has only letters" },
		{ "mem:c:nick=Server", "mem:c:nick=Server: that name is reserved" },
		{ "mem:d:nick=", "mem:d:nick=: a name has at least one character" },
		{ "mem:e:edit=maybe", "mem:e:edit=maybe: edit must be one of auto|on|off" },
	};
	struct hall *h = *state;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct pl_error err = { 0 };

		assert_null(pl_listen(pl_world_reactor(h->world), bad[i].endpoint,
		                      &h->chat->factory, &err));
		assert_int_equal(err.code, -EINVAL);
		assert_memory_equal(err.text, bad[i].sentence, strlen(bad[i].sentence));
	}
}

/* --- notices ------------------------------------------------------------------------ */

static void the_others_read_who_comes_and_goes_over_which_wire(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *ann, *bob;

	ann = hall_enter(h, "lobby");
	bob = hall_enter(h, "lobby");
	hall_announce(h);
	assert_reads(ann, "-- you are guest1 --\n* guest2 has joined (mem)\n");
	assert_reads(bob, "-- you are guest2 --\n* guest1 has joined (mem)\n");
	pl_mem_user_hang_up(bob);
	assert_reads(ann, "* guest2 has left (mem)\n");
}

/* ann has been here for a while, bob comes. */
static struct pl_mem_user *enter_bob(struct hall *h)
{
	struct pl_mem_user *bob;

	hall_fill(h, 1);
	bob = hall_enter(h, "lobby");
	pl_mem_user_clear(bob);
	return bob;
}

static void a_newcomer_is_announced_when_he_has_stayed_for_a_moment(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *bob = enter_bob(h), *ann = h->people[0];

	pl_mem_user_type(bob, "\n");
	pl_world_advance(h->world, 1499);
	assert_reads(ann, "");
	pl_world_advance(h->world, 1);
	assert_reads(ann, "* guest2 has joined (mem)\n");
	assert_reads(bob, "");
	pl_mem_user_type(bob, "hello\n");
	assert_reads(ann, "<guest2> hello\n");
}

static void a_newcomer_is_announced_before_what_he_says(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *bob = enter_bob(h), *ann = h->people[0];

	pl_mem_user_type(bob, "hello\n");
	assert_reads(ann, "* guest2 has joined (mem)\n<guest2> hello\n");
	hall_announce(h);
	assert_reads(ann, "");
}

static void a_newcomer_hears_and_is_seen_from_the_start(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *bob = enter_bob(h), *ann = h->people[0];

	pl_mem_user_type(ann, "anybody?\n");
	assert_reads(bob, "<guest1> anybody?\n");
	assert_answer(ann, "/who guest2",
	              "name    wire  address  idle\nguest2  mem   lobby    0s\n"
	              "-- 1 person --\n");
}

/* Or one would be read of twice, and another never leave. */
static void who_is_not_announced_yet_is_in_no_greeting(void **state)
{
	struct hall *h = another(state, &(struct chat_options){ .name = "lab" });
	struct pl_mem_user *ann, *bob;

	ann = hall_enter(h, "lobby");
	bob = hall_enter(h, "lobby");
	assert_non_null(strstr(pl_mem_user_screen(bob), "Nobody else is here yet."));
	pl_mem_user_clear(bob);
	pl_mem_user_hang_up(ann);
	hall_announce(h);
	assert_reads(bob, "");
}

static void who_has_gone_before_that_costs_nobody_a_line(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *ann;

	hall_fill(h, 1);
	ann = h->people[0];
	for (int i = 0; i < 50; i++) {
		struct pl_mem_user *bob = hall_enter(h, "lobby");

		if (i % 2 == 0)
			pl_mem_user_hang_up(bob);
		else
			pl_mem_user_type(bob, "\nGET / HTTP/1.0\r\n");
		assert_true(pl_mem_user_is_lost(bob));
	}
	hall_announce(h);
	assert_reads(ann, "");
	assert_int_equal(pl_counted(pl_world_reactor(h->world),
	                            "people: gone before the room heard of them"),
	                 50);
}

static void who_is_cut_off_is_said_to_be(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *bob = enter_bob(h), *ann = h->people[0];

	hall_announce(h);
	pl_mem_user_clear(ann);
	pl_abort(h->chat->people->next->line.protocol.transport, -ECONNRESET);
	pl_world_settle(h->world);
	assert_reads(ann, "* guest2 has left (mem: connection reset)\n");
	assert_true(pl_mem_user_is_lost(bob));
}

static void all_are_told_when_the_server_stops(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *ann, *bob;

	hall_fill(h, 2);
	ann = h->people[0];
	bob = h->people[1];
	h->chat->factory.ops->stopping(&h->chat->factory);
	for (struct session *s = h->chat->people; s; s = s->next)
		pl_line_lose(&s->line);
	pl_world_settle(h->world);
	assert_reads(ann, "-- the server is stopping, goodbye --\n");
	assert_reads(bob, "-- the server is stopping, goodbye --\n");
	assert_true(pl_mem_user_is_lost(ann));
	assert_true(pl_mem_user_is_lost(bob));
}

static void nobody_comes_in_while_the_server_stops(void **state)
{
	struct hall *h = *state;

	h->chat->factory.ops->stopping(&h->chat->factory);
	assert_null(pl_mem_user_join(h->world, "lobby"));
}

static void who_says_nothing_stays(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *ann = hall_enter(h, "lobby");

	pl_world_advance(h->world, 24 * 3600 * 1000);
	assert_false(pl_mem_user_is_lost(ann));
	assert_reads(ann, "-- you are guest1 --\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, hall_open, hall_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_greeting_has_three_lines_and_the_name),
		TEST(the_greeting_says_how_udp_joins),
		TEST(the_greeting_names_few_of_many),
		TEST(a_text_takes_the_place_of_the_greeting),
		TEST(a_text_is_made_fit_for_terminals),
		TEST(an_empty_text_says_nothing),
		TEST(the_name_of_the_server_is_made_fit_for_terminals),
		TEST(a_guest_gets_the_lowest_free_number),
		TEST(an_endpoint_may_name_who_comes),
		TEST(the_name_of_an_endpoint_gets_a_number_when_it_is_taken),
		TEST(a_long_name_of_an_endpoint_is_cut_for_its_number),
		TEST(a_bad_name_of_an_endpoint_is_refused_with_a_sentence),
		TEST(the_others_read_who_comes_and_goes_over_which_wire),
		TEST(a_newcomer_is_announced_when_he_has_stayed_for_a_moment),
		TEST(a_newcomer_is_announced_before_what_he_says),
		TEST(a_newcomer_hears_and_is_seen_from_the_start),
		TEST(who_is_not_announced_yet_is_in_no_greeting),
		TEST(who_has_gone_before_that_costs_nobody_a_line),
		TEST(who_is_cut_off_is_said_to_be),
		TEST(all_are_told_when_the_server_stops),
		TEST(nobody_comes_in_while_the_server_stops),
		TEST(who_says_nothing_stays),
	};

	return cmocka_run_group_tests_name("join", tests, NULL, NULL);
}
