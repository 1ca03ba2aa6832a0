/* loopback.h: the way to a tcp or udp port of this process. */
#ifndef TESTS_LOOPBACK_H
#define TESTS_LOOPBACK_H

#include <netinet/in.h>

/* The number in the name of a port: "tcp:40231". */
int loopback_number(const char *name);

/* 127.0.0.1 with that number. */
struct sockaddr_in loopback_address(const char *name);

/* A connected, non-blocking stream socket, or a negative errno. */
int loopback_connect(const char *name);

#endif
