/* telnet.c: takes the telnet commands out of a plain connection.
 *
 * A filter that negotiates nothing.  It works for everybody, because ff, with which each
 * command begins, occurs in no UTF-8.  What matters is DO TIMING-MARK: in line mode telnet
 * sends it after ^C and throws away all that comes until it is answered, so without an
 * answer the user sees a dead chat.  Everything else that has no meaning here is dropped
 * whole, wherever reads split it. */
#include "line_impl.h"

#include <string.h>

/* RFC 854, RFC 860.  After IAC the commands begin with ec (EOF, RFC 1184). */
enum {
	FIRST_COMMAND = 0xec,
	SUSP = 0xed,
	SE = 0xf0,
	BRK = 0xf3,
	IP = 0xf4,
	AO = 0xf5,
	AYT = 0xf6,
	SB = 0xfa,
	WILL = 0xfb,
	WONT = 0xfc,
	DO = 0xfd,
	DONT = 0xfe,
	IAC = 0xff,
	TIMING_MARK = 6
};

/* The longest subnegotiation that clients send, LINEMODE's table, is some 60 bytes.  One
 * that does not end makes nobody mute for longer than this. */
enum { SB_MAX = 512 };

enum { TEXT, COMMAND, OPTION, DO_OPTION, SUB, SUB_COMMAND };

static size_t text(struct pl_telnet *t, const char *data, size_t len,
                   enum pl_telnet_piece *piece)
{
	const char *iac = memchr(data, IAC, len);

	if (iac == data) {
		t->state = COMMAND;
		return 1;
	}
	*piece = PL_TELNET_TEXT;
	return iac ? (size_t)(iac - data) : len;
}

static void command(struct pl_telnet *t, unsigned char byte, enum pl_telnet_piece *piece)
{
	t->state = TEXT;
	switch (byte) {
	case WILL:
	case WONT:
	case DONT:
		t->state = OPTION;
		break;
	case DO:
		t->state = DO_OPTION;
		break;
	case SB:
		t->state = SUB;
		t->skipped = 0;
		break;
	case BRK:
	case IP:
		t->key = byte;
		*piece = PL_TELNET_INTERRUPT;
		break;
	case SUSP:
	case AO:
		t->key = byte;
		*piece = PL_TELNET_KEY;
		break;
	case AYT:
		*piece = PL_TELNET_ARE_YOU_THERE;
		break;
	default:
		/* IAC IAC is a byte ff.  What is no command is text again: then a ÿ in
		 * Latin-1 does not cost its user the Enter behind it, and of the `ff 00 18`
		 * that `ncat -t` sends the framer drops the rest. */
		if (byte == IAC || byte < FIRST_COMMAND)
			*piece = PL_TELNET_TEXT;
	}
}

static void subnegotiation(struct pl_telnet *t, unsigned char byte,
                           enum pl_telnet_piece *piece)
{
	if (t->state == SUB)
		t->state = byte == IAC ? SUB_COMMAND : SUB;
	else if (byte == IAC)
		t->state = SUB; /* a byte ff inside */
	else
		command(t, byte, piece); /* SE, or the next one where SE was forgotten */
	if (t->state == SUB && ++t->skipped >= SB_MAX)
		t->state = TEXT;
}

size_t pl_telnet_next(struct pl_telnet *t, const char *data, size_t len,
                      enum pl_telnet_piece *piece)
{
	const unsigned char byte = (unsigned char)data[0];

	*piece = PL_TELNET_NOTHING;
	switch (t->state) {
	case TEXT:
		return text(t, data, len, piece);
	case COMMAND:
		command(t, byte, piece);
		break;
	case DO_OPTION:
		if (byte == TIMING_MARK)
			*piece = PL_TELNET_TIMING_MARK;
		t->state = TEXT;
		break;
	case OPTION:
		t->state = TEXT;
		break;
	case SUB:
	case SUB_COMMAND:
		subnegotiation(t, byte, piece);
		break;
	}
	return 1;
}

char pl_telnet_eaten(const struct pl_telnet *t)
{
	switch (t->key) {
	case BRK:
		return '\x9c'; /* the second half of an U with two dots */
	case IP:
		return '\x83';
	case SUSP:
		return '\x9a';
	default:
		return '\x8f'; /* AO */
	}
}
