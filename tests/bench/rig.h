/* rig.h: what load programs share: a server on a core of its own, looked at from outside.
 *
 * These programs measure; they are no tests.  They fail when something is wrong (a line
 * lost, a descriptor leaked), never because something is slow. */
#ifndef BENCH_RIG_H
#define BENCH_RIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Ends the program with a sentence. */
void rig_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* --- the server ------------------------------------------------------------------------ */

struct rig_server {
	pid_t pid;
	FILE *ready; /* its standard output */
	FILE *log;   /* its standard error, a file without a name */
};

struct rig_options {
	const char *program;  /* NULL: $PARTYLINE */
	int core;             /* that it is to run on alone; -1: any */
	unsigned descriptors; /* RLIMIT_NOFILE; 0: as it is */
};

/* Starts it, without the limit of lines a second where it has one. */
void rig_start(struct rig_server *s, const struct rig_options *o,
               const char *const *endpoints, size_t n);

/* The number in its next ready line: "tcp 127.0.0.1:40231  telnet ..."; 0 for one without. */
int rig_next_port(struct rig_server *s);

/* SIGTERM; prints the counters that it logged; false when it did not end as it should. */
bool rig_stop(struct rig_server *s);

struct rig_sample {
	long rss_kb, threads, descriptors;
	uint64_t cpu_ns;
};

void rig_sample(const struct rig_server *s, struct rig_sample *out);

/* Pages of 4 KiB that the kernel holds for all TCP sockets of the machine. */
long rig_tcp_pages(void);

/* --- this process ------------------------------------------------------------------------ */

void rig_pin(int core); /* -1: nowhere */
void rig_raise_descriptor_limit(void);
uint64_t rig_now_ns(void);
struct sockaddr_in rig_loopback(int port);

/* The share of time, in percent, that all cores together spent on anything since the last
 * call: what others do on this machine is in it. */
double rig_machine_busy(void);

/* --- figures ------------------------------------------------------------------------------ */

/* Times in buckets that grow by a 64th. */
enum { RIG_BUCKETS = 64 * 64 };

struct rig_times {
	uint64_t n, counts[RIG_BUCKETS];
};

void rig_times_add(struct rig_times *t, uint64_t ns);
double rig_times_ms(const struct rig_times *t, double quantile); /* 0.5: the median */

double rig_median(double *values, size_t n); /* sorts them */

#endif
