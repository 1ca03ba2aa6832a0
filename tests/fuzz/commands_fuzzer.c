/* commands_fuzzer.c: whatever two people type in a real chat, the third reads clean text,
 * and everybody who is still there gets an answer afterwards.
 *
 * The first byte says who has a line editor (1: ann, 2: bob), whether there is a rate (4) and
 * in which pieces the server reads (8, 16).  What follows is typed; fe, which is no UTF-8,
 * and a letter make the script:
 *
 *     a  b   from here on ann types, or bob      h  j   he hangs up, he joins again
 *     s  r   he stops to read, he reads again    t      time passes: the next byte, times 32 ms
 *     l      he types a long line
 *
 * The rest between two of them is one write.  A witness, cat, is there from the beginning,
 * reads everything and says nothing before the end. */
#include "chat/chat.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>
#include <utlist.h>

#include <partyline/log.h>
#include <partyline/testing.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	MARK = 0xfe,
	TAIL = 8192,
	WIRE = 1024, /* so much is on its way to who does not read */
	SCRIPT_MAX = 2048,
	LONG_LINES_MAX = 24 /* of a script: enough to be far behind, and soon over */
};

struct person {
	struct pl_protocol protocol;
	struct pl_factory factory;
	const char *door;
	bool here;
	bool edited;
	bool silent; /* nothing that is an answer to keys can come to him */
	/* what he has read: checked as it comes, and the end of it kept */
	utf8proc_uint8_t character[4];
	size_t have, need; /* bytes of the character under way */
	char tail[2 * TAIL + 1];
	size_t len;
};

struct room_of_three {
	struct pl_world *world;
	struct chat *chat;
	struct person ann, bob, cat;
	size_t piece; /* what the server reads at once; 0: all */
	unsigned long_lines;
};

/* The fuzzer looks for new ways through the chat, not through its judge. */
#ifdef __clang__
#define UNTRACED __attribute__((no_sanitize("coverage")))
#else
#define UNTRACED
#endif

/* --- what somebody may read ------------------------------------------------------------ */

/* CR, LF and TAB; an editor draws with BEL, BS and ESC [ K as well. */
UNTRACED static void check_character(const struct person *p, utf8proc_int32_t code)
{
	if (code == '\r' || code == '\n' || code == '\t')
		return;
	if (p->edited && (code == '\a' || code == '\b'))
		return;
	assert(code >= 0x20 && code != 0x7f);   /* C0, DEL */
	assert(code < 0x80 || code >= 0xa0);    /* C1 */
	assert(code < 0x2028 || code > 0x202e); /* line ends, overrides of direction */
	assert(code < 0x2066 || code > 0x2069);
}

UNTRACED static size_t length_of(unsigned char first)
{
	if (first < 0x80)
		return 1;
	assert(first >= 0xc2 && first <= 0xf4);
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

UNTRACED static void check_byte(struct person *p, unsigned char byte)
{
	/* Three bytes of ours: ESC [ K, or the IAC WILL TIMING-MARK that he has asked for. */
	static const unsigned char erase[] = { 0x1b, '[', 'K' }, mark[] = { 0xff, 0xfb, 6 };
	utf8proc_int32_t code;

	if (p->have == 0)
		p->need = (byte == 0x1b && p->edited) || (byte == 0xff && !p->silent)
		                  ? 3
		                  : length_of(byte);
	p->character[p->have++] = byte;
	if (p->have < p->need)
		return;
	p->have = 0;
	if (p->character[0] == 0x1b && p->edited) {
		assert(memcmp(p->character, erase, 3) == 0);
	} else if (p->character[0] == 0xff) {
		assert(memcmp(p->character, mark, 3) == 0);
	} else {
		assert(utf8proc_iterate(p->character, (utf8proc_ssize_t)p->need, &code) ==
		       (utf8proc_ssize_t)p->need);
		check_character(p, code);
	}
}

UNTRACED static void read_bytes(struct pl_protocol *protocol, const char *data, size_t len)
{
	struct person *p = pl_container_of(protocol, struct person, protocol);

	for (size_t i = 0; i < len; i++) {
		check_byte(p, (unsigned char)data[i]);
		if (p->len == 2 * TAIL) {
			memmove(p->tail, p->tail + TAIL, TAIL);
			p->len = TAIL;
		}
		p->tail[p->len++] = data[i];
	}
	p->tail[p->len] = '\0';
}

/* --- three people -------------------------------------------------------------------- */

static void came(struct pl_protocol *protocol)
{
	pl_container_of(protocol, struct person, protocol)->here = true;
	pl_mem_set_capacity(protocol->transport, WIRE);
}

static void went(struct pl_protocol *protocol, int reason)
{
	struct person *p = pl_container_of(protocol, struct person, protocol);

	(void)reason;
	p->here = false;
	assert(p->have == 0); /* no half character is the last */
}

static struct pl_protocol *build(struct pl_factory *f, const struct pl_peer *peer)
{
	(void)peer;
	return &pl_container_of(f, struct person, factory)->protocol;
}

static const struct pl_protocol_ops person_ops = {
	.connection_made = came,
	.data_received = read_bytes,
	.connection_lost = went,
};
static const struct pl_factory_ops factory_ops = { .build_protocol = build };

static void join(struct room_of_three *room, struct person *p)
{
	if (p->here)
		return;
	p->protocol.ops = &person_ops;
	p->factory.ops = &factory_ops;
	p->have = 0;
	if (pl_mem_connect(pl_world_reactor(room->world), p->door, &p->factory, NULL) < 0)
		abort();
	pl_world_settle(room->world);
	if (room->chat->people)
		pl_mem_set_chunk(room->chat->people->prev->line.protocol.transport,
		                 room->piece);
}

static void type(struct room_of_three *room, struct person *p, const char *bytes, size_t len)
{
	if (p->here && len > 0)
		pl_write(p->protocol.transport, bytes, len);
	pl_world_settle(room->world);
}

static void type_long_line(struct room_of_three *room, struct person *p)
{
	char line[1000];

	if (room->long_lines++ >= LONG_LINES_MAX)
		return;
	memset(line, 'l', sizeof line);
	line[sizeof line - 1] = '\n';
	type(room, p, line, sizeof line);
}

/* Nobody has a name that no one could take, or that somebody else has. */
UNTRACED static void check_names(const struct chat *c)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	const struct session *s, *other;

	DL_FOREACH(c->people, s) {
		const size_t len = strlen(s->name);

		assert(len >= 1 && len <= 16 && strspn(s->name, letters) == len);
		assert(strcasecmp(s->name, "server") && strcasecmp(s->name, "admin"));
		DL_FOREACH(c->people, other)
			assert(s == other || strcasecmp(s->name, other->name) != 0);
	}
	assert(c->count <= 3);
}

/* --- the script ---------------------------------------------------------------------- */

/* A letter behind a mark; returns how many of the bytes behind it belong to it. */
static size_t direct(struct room_of_three *room, struct person **who,
                     unsigned char letter, const uint8_t *rest, size_t left)
{
	struct person *p = *who;

	if (letter == 'a')
		*who = &room->ann;
	else if (letter == 'b')
		*who = &room->bob;
	else if (letter == 'j')
		join(room, p);
	else if (letter == 'h' && p->here)
		pl_lose(p->protocol.transport);
	else if (letter == 's' && p->here)
		pl_pause_reading(p->protocol.transport);
	else if (letter == 'r' && p->here)
		pl_resume_reading(p->protocol.transport);
	else if (letter == 'l')
		type_long_line(room, p);
	else if (letter == 't' && left > 0)
		pl_world_advance(room->world, rest[0] * 32U);
	pl_world_settle(room->world);
	return letter == 't' && left > 0;
}

static void play(struct room_of_three *room, const uint8_t *script, size_t size)
{
	struct person *who = &room->ann;
	size_t at = 0;

	while (at < size) {
		const uint8_t *mark = memchr(script + at, MARK, size - at);
		const size_t end = mark ? (size_t)(mark - script) : size;

		type(room, who, (const char *)script + at, end - at);
		check_names(room->chat);
		at = end + 2;
		if (at <= size)
			at += direct(room, &who, script[end + 1], script + at, size - at);
		check_names(room->chat);
	}
}

/* He may be in the middle of a line, an escape sequence or a telnet command, and his last
 * lines may still wait for their turn. */
static void check_answer(struct room_of_three *room, struct person *p)
{
	static const char line[] = "\n/nosuch\n";

	if (p->here)
		pl_resume_reading(p->protocol.transport);
	pl_world_advance(room->world, 60 * 1000);
	for (int i = 0; p->here; i++) {
		p->len = 0;
		p->tail[0] = '\0';
		type(room, p, line, sizeof line - 1);
		pl_world_advance(room->world, 1000);
		if (strstr(p->tail, "-- no command /nosuch"))
			break;
		assert(i < 200);
	}
}

static void check_hearing(struct room_of_three *room, struct person *p)
{
	static const char said[] = "I have heard it all\n",
			  seen[] = "> I have heard it all\r\n";

	p->len = 0;
	p->tail[0] = '\0';
	type(room, &room->cat, said, sizeof said - 1);
	assert(!p->here || strstr(p->tail, seen));
}

/* --- one run -------------------------------------------------------------------------- */

static void open_door(struct room_of_three *room, const char *endpoint)
{
	if (!pl_listen(pl_world_reactor(room->world), endpoint, &room->chat->factory, NULL))
		abort();
}

static void open_room(struct room_of_three *room, unsigned mode)
{
	static const size_t pieces[] = { 0, 1, 3, 8 };
	struct chat_options options = { .name = "fuzz" };

	room->world = pl_world_create(mode);
	if (!room->world)
		abort();
	if (mode & 4)
		options.rate = (struct chat_rate){ 5, 20 };
	room->chat = chat_create(pl_world_reactor(room->world), &options);
	if (!room->chat)
		abort();
	room->piece = pieces[mode >> 3 & 3];
	open_door(room, "mem:plain");
	open_door(room, "mem:edited:edit=on");
	room->ann.edited = mode & 1;
	room->bob.edited = mode & 2;
	room->ann.door = room->ann.edited ? "edited" : "plain";
	room->bob.door = room->bob.edited ? "edited" : "plain";
	room->cat.door = "plain";
	room->cat.silent = true;
	join(room, &room->cat);
	join(room, &room->ann);
	join(room, &room->bob);
	assert(room->chat->count == 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct room_of_three *room = calloc(1, sizeof *room);

	if (!room)
		abort();
	pl_log_set_level(PL_LOG_ERROR);
	open_room(room, size > 0 ? data[0] : 0);
	if (size > 1)
		play(room, data + 1, (size < SCRIPT_MAX ? size : SCRIPT_MAX) - 1);
	check_answer(room, &room->ann);
	check_answer(room, &room->bob);
	check_answer(room, &room->cat);
	assert(room->cat.here);
	check_hearing(room, &room->ann);
	check_hearing(room, &room->bob);
	pl_world_destroy(room->world);
	chat_destroy(room->chat);
	free(room);
	return 0;
}
