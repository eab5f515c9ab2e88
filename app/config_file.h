/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Files of shell lines: --config FILE and `load FILE`. Lines may hold secrets: they are read into
 * secret memory and wiped.
 *
 * Context: main lcore. Reads a file, hence blocks: never on the control lcore once it runs.
 */
#ifndef TW_CONFIG_FILE_H
#define TW_CONFIG_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

/* Longest line, in octets. */
#define TW_CONFIG_LINE_MAX 16000

/**
 * One line, without its end.
 * @return false to stop
 */
typedef bool (*tw_config_line_fn)(void *arg, const char *line, size_t len, unsigned line_no);

/**
 * Read a file line by line.
 * @param why  on failure: "FILE:LINE: what and how to mend it"
 * @return 0; -ECANCELED if @p fn stopped it (then @p why is untouched); -errno
 */
int tw_config_file_read(
	const char *path, tw_config_line_fn fn, void *arg, char *why, size_t why_size);

/** Asked while input is awaited; false stops. */
typedef bool (*tw_config_go_on_fn)(void *arg);

/**
 * As tw_config_file_read(), from an open descriptor that messages call @p name.
 * @param go_on  for a pipe that may stay silent; NULL: just read
 */
int tw_config_fd_read(int fd, const char *name, tw_config_line_fn fn, tw_config_go_on_fn go_on,
	void *arg, char *why, size_t why_size);

/**
 * Before the start: apply the `set config` lines of START settings; all other lines are left for
 * later, unchecked.
 * @return 0; -EINVAL or another -errno with @p why filled, "FILE:LINE: ..."
 */
int tw_config_preload(struct tw_config *cfg, const char *path, char *why, size_t why_size);

#endif /* TW_CONFIG_FILE_H */
