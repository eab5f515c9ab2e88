/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Messages for the operator, to stderr or to journald, with a level per area.
 *
 * A message never waits: what the receiver does not take at once is dropped and counted, and each
 * area has a rate (TW_LOG_RATE a second, bursts of TW_LOG_BURST) past which messages are counted
 * and their number is told later. Data lcores never log: tw_log_forbid() makes that structural.
 * No passphrase, key or token may be an argument; names of keys may.
 */
#ifndef TW_LOG_H
#define TW_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* Longest message; what is longer is cut. */
#define TW_LOG_MSG_MAX 1024
#define TW_LOG_RATE    50
#define TW_LOG_BURST   200

enum tw_log_area {
#define X(id, name, help) TW_LOG_##id,
#include "log_areas.def"
#undef X
	TW_LOG_AREA_N
};

/* The numbers of syslog, which journald uses as well. */
enum tw_log_level {
	TW_LOG_ERROR = 3,
	TW_LOG_WARNING = 4,
	TW_LOG_NOTICE = 5,
	TW_LOG_INFO = 6,
	TW_LOG_DEBUG = 7,
};

enum tw_log_sink {
	TW_LOG_TO_AUTO = 1, /* journald if stderr is its stream, else stderr */
	TW_LOG_TO_STDERR,
	TW_LOG_TO_JOURNAL,
};

/**
 * Choose where messages go. Before this they go to stderr.
 * Context: main thread, before others log.
 * @param name  of the appliance; the journal gets it as TWAMPLINE_NAME
 * @return 0, or -errno if journald cannot be reached (messages then go to stderr)
 */
int tw_log_init(enum tw_log_sink sink, const char *name);

/** Say something. Context: any thread but data lcores. */
void tw_log(enum tw_log_area area, enum tw_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** Whether a message of this level would be shown, to save the work of making it. */
bool tw_log_is_shown(enum tw_log_area area, enum tw_log_level level);

/** Set the level of one area, or of all with TW_LOG_AREA_N. Context: any thread. */
void tw_log_level_set(enum tw_log_area area, enum tw_log_level level);

/** Level of an area. */
enum tw_log_level tw_log_level_get(enum tw_log_area area);

/** Name of an area or level. */
const char *tw_log_area_name(enum tw_log_area area);
const char *tw_log_level_name(enum tw_log_level level);

/** Find by name. @return the value, or -ENOENT */
int tw_log_area_find(const char *name);
int tw_log_level_find(const char *name);

/** Messages that could not be written or were over the rate. */
uint64_t tw_log_lost(void);

/** From now on this thread's messages are only counted as lost. Context: a data lcore. */
void tw_log_forbid(void);

#endif /* TW_LOG_H */
