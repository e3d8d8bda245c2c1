#ifndef SUPPORT_FAN_OUT_H
#define SUPPORT_FAN_OUT_H
// The least that sending one message to many sockets can cost: a process that writes what it is
// handed to each of its clients, in turn, and does nothing else. What a bench compares with.

#include <stddef.h>
#include <sys/types.h>

// Starts it on a core of the machine and connects n clients to it: fd[n] non-blocking. What is sent
// to *handed (one message a send) goes to each of them; closing it ends the process. -1: errno.
pid_t fan_out_start(int core, int *fd, size_t n, int *handed);

#endif
