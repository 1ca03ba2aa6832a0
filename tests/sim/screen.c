/* screen.c: what the far end makes of the bytes that come: rows.
 *
 * The smallest terminal that can show what the editor draws: CR, LF, BS, BEL and ESC [ K;
 * telnet commands are taken out.  A plain reader knows less: CR LF ends a line, and any
 * other control character has no business there (T1). */
#include "sim.h"

#include <string.h>

enum { TEXT, ESC, CSI, IAC, OPTION };

static void put(struct visit *v, char c)
{
	if (v->column >= sizeof v->row) {
		sim_break("row", "%s: a row without end", sim_who(v));
		return;
	}
	v->row[v->column++] = c;
	if (v->column > v->row_len)
		v->row_len = v->column;
}

static void new_line(struct visit *v)
{
	const size_t len = v->row_len;

	v->row_len = v->column = 0;
	room_read(v, v->row, len);
}

static void control(struct visit *v, unsigned char c)
{
	switch (c) {
	case '\r':
		v->column = 0;
		return;
	case '\n':
		if (v->column && !v->place->edit)
			sim_break("clean", "%s: a line ends without CR", sim_who(v));
		new_line(v);
		return;
	case '\b':
		v->column -= v->column > 0;
		break;
	case '\a':
		break;
	case '\t':
		put(v, '\t');
		return;
	case 0x1b:
		v->escape = ESC;
		break;
	default:
		sim_break("clean", "%s reads the control character %02x", sim_who(v), c);
		return;
	}
	if (!v->place->edit)
		sim_break("clean", "%s reads the control character %02x", sim_who(v), c);
}

static void byte(struct visit *v, unsigned char c)
{
	switch (v->escape) {
	case ESC:
		v->escape = c == '[' ? CSI : TEXT;
		break;
	case CSI:
		v->escape = TEXT;
		v->row_len = v->column;
		if (c != 'K')
			sim_break("clean", "%s reads ESC [ %c", sim_who(v), c);
		break;
	case IAC:
		v->escape = c >= 0xfb && c < 0xff ? OPTION : TEXT;
		break;
	case OPTION:
		v->escape = TEXT;
		break;
	default:
		if (c == 0xff)
			v->escape = IAC;
		else if (c < 0x20 || c == 0x7f)
			control(v, c);
		else
			put(v, (char)c);
	}
}

void screen_bytes(struct visit *v, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		byte(v, (unsigned char)data[i]);
}
