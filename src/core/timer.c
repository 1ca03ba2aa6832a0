/* timer.c: timers in a pairing heap that is made of the timers themselves.
 *
 * Arming links a timer into the heap in constant time and cannot fail; the earliest is
 * the root; taking it out costs O(log n) amortised.  Ties go to the timer that was armed
 * first.  In a pairing heap each node has a first child and a list of siblings; `prev` of
 * a first child is its parent. */
#include "core.h"

#include <limits.h>

static bool earlier(const struct pl_timer *a, const struct pl_timer *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

/* Two heaps become one: the later root is made the first child of the earlier. */
static struct pl_timer *meld(struct pl_timer *a, struct pl_timer *b)
{
	if (!a || !b)
		return a ? a : b;
	if (earlier(b, a)) {
		struct pl_timer *swap = a;
		a = b;
		b = swap;
	}
	b->prev = a;
	b->next = a->child;
	if (a->child)
		a->child->prev = b;
	a->child = b;
	return a;
}

/* The children of a removed root become one heap: melded in pairs from the left, and
 * the pairs then into one from the right.  The first pass keeps its pairs as a list
 * through `next`, so that nothing recurses however many there are. */
static struct pl_timer *meld_siblings(struct pl_timer *first)
{
	struct pl_timer *pairs = NULL, *heap = NULL;

	while (first) {
		struct pl_timer *a = first, *b = a->next;

		first = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct pl_timer *a = pairs;

		pairs = a->next;
		a->next = NULL;
		heap = meld(heap, a);
	}
	return heap;
}

static void take_out(struct pl_reactor *r, struct pl_timer *t)
{
	struct pl_timer *children = meld_siblings(t->child);

	if (r->heap == t) {
		r->heap = children;
	} else {
		if (t->prev->child == t)
			t->prev->child = t->next;
		else
			t->prev->next = t->next;
		if (t->next)
			t->next->prev = t->prev;
		r->heap = meld(r->heap, children);
	}
	t->child = t->next = t->prev = NULL;
	t->reactor = NULL;
}

void pl_call_later(struct pl_reactor *r, struct pl_timer *t, uint64_t delay_ms)
{
	pl_timer_cancel(t);
	t->reactor = r;
	t->due_ms = delay_ms > UINT64_MAX - r->now_ms ? UINT64_MAX : r->now_ms + delay_ms;
	t->order = r->order++;
	t->child = t->next = t->prev = NULL;
	r->heap = meld(r->heap, t);
}

void pl_timer_cancel(struct pl_timer *t)
{
	if (t->reactor)
		take_out(t->reactor, t);
}

bool pl_timer_active(const struct pl_timer *t)
{
	return t->reactor != NULL;
}

uint64_t pl_timer_left_ms(const struct pl_timer *t)
{
	return t->reactor && t->due_ms > t->reactor->now_ms ? t->due_ms - t->reactor->now_ms
	                                                    : 0;
}

int pl_timers_timeout(const struct pl_reactor *r)
{
	if (!r->heap)
		return -1;
	uint64_t left = pl_timer_left_ms(r->heap);

	return left > INT_MAX ? INT_MAX : (int)left;
}

void pl_timers_run(struct pl_reactor *r)
{
	/* A timer armed from here on waits for the next turn.  It cannot hide one that is
	 * due: it sorts behind all that were due before it was armed. */
	const uint64_t armed_before = r->order;

	while (r->heap && r->heap->due_ms <= r->now_ms && r->heap->order < armed_before) {
		struct pl_timer *t = r->heap;

		take_out(r, t);
		t->fn(t);
	}
}
