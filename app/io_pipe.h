/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Octets between a TCP socket and a machine of lib/control, either end: reads what the machine
 * wants, writes what it has, tells it the end. Knows nothing of what the octets mean.
 *
 * Context: control lcore.
 */
#ifndef TW_IO_PIPE_H
#define TW_IO_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "tw_control.h"

struct tw_app;

/* The calls of tw_ctl_conn_ or tw_ctl_cli_, see tw_control.h. */
struct tw_io_pipe_ops {
	size_t (*want)(const void *machine);
	void (*input)(void *machine, const void *octets, size_t len, struct tw_ctl_time now);
	void (*eof)(void *machine, struct tw_ctl_time now);
	void (*lost)(void *machine, struct tw_ctl_time now); /* broken: nothing can be sent */
	const uint8_t *(*output)(const void *machine, size_t *len);
	void (*sent)(void *machine, size_t len, struct tw_ctl_time now);
	bool (*is_done)(const void *machine);
};

struct tw_io_pipe {
	struct tw_app *app;
	struct tw_loop_fd w;
	const struct tw_io_pipe_ops *ops;
	void *machine;
};

/**
 * Read up to a bounded amount, write, set what to wait for.
 * @param events  of epoll; 0 if the machine has news of its own
 * @return true if the machine is done: close the socket
 */
bool tw_io_pipe_run(struct tw_io_pipe *p, uint32_t events);

/** The time of a call into lib/control. */
struct tw_ctl_time tw_ctl_io_time(const struct tw_app *app);

/** Socket address of an address and port. @return its length */
unsigned tw_io_sockaddr(const struct tw_addr *addr, uint16_t port, void *out, size_t size);

/** Address and port of a socket address; v4-mapped ones become v4. @return false if neither */
bool tw_io_sockaddr_read(const void *sa, struct tw_addr *addr, uint16_t *port);

/** What every control connection gets: no delay, keep-alive. */
void tw_io_tcp_tune(int fd);

/** Mark the packets of a connection. @param dscp 0..63 */
void tw_io_tcp_dscp(int fd, uint8_t family, uint8_t dscp);

#endif /* TW_IO_PIPE_H */
