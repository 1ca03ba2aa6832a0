/* error.c: sentences for failures. */
#include <errno.h>
#include <partyline/error.h>
#include <partyline/partyline.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int pl_fail(struct pl_error *err, int code, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return code;
	err->code = code;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof err->text, fmt, args);
	va_end(args);
	return code;
}

const char *pl_reason(int reason)
{
	switch (reason) {
	case 0:
		return "closed";
	case -ECONNRESET:
	case -EPIPE:
		return "connection reset";
	case -ETIMEDOUT:
		return "timed out";
	case -ENOBUFS:
		return "too far behind";
	case -ENOMEM:
		return "out of memory";
	case -ECONNREFUSED:
		return "nobody there";
	case -ENODEV:
	case -EIO:
		return "device gone";
	case -EDQUOT:
		return "too much said";
	case -EPROTO:
		return "no person";
	case -ELOOP:
		return "it echoes what it is sent";
	case -ECANCELED:
		return "server stopped";
	default:
		return "connection failed";
	}
}

const char *pl_version(void)
{
	return PARTYLINE_VERSION;
}
