/* base.h: what every other header needs of the compiler, in one place.
 *
 * Attributes, the C++ guards and container_of.  Nothing about partyline itself. */
#ifndef PARTYLINE_BASE_H
#define PARTYLINE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define PL_BEGIN_DECLS extern "C" {
#define PL_END_DECLS }
#else
#define PL_BEGIN_DECLS
#define PL_END_DECLS
#endif

#if defined(__GNUC__) || defined(__clang__)
#define PL_PRINTF(fmt_at, first) __attribute__((format(printf, fmt_at, first)))
#define PL_SENTINEL __attribute__((sentinel))
#define PL_UNUSED __attribute__((unused))
#else
#define PL_PRINTF(fmt_at, first)
#define PL_SENTINEL
#define PL_UNUSED
#endif

/* From a pointer to a member to the struct around it: watches, timers, links and
 * protocols are embedded in their owners, and this is the way back. */
#define pl_container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
