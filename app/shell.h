/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The shell: lines of `verb noun [key value]...` from a terminal, a pipe or a file, run as
 * operations on the control lcore. Everything a line passes through is secret memory, since it may
 * hold a passphrase.
 *
 * Who runs what: tw_shell_attach() and what it installs run on the control lcore, everything else
 * on the main lcore, which waits for each answer (ask.h).
 */
#ifndef TW_SHELL_H
#define TW_SHELL_H

#include <stdbool.h>
#include <stddef.h>

struct tw_app;
struct tw_shell;

/** @return NULL if out of (secret) memory. Context: main lcore, before the control lcore starts. */
struct tw_shell *tw_shell_new(struct tw_app *app);
void tw_shell_free(struct tw_shell *sh);

/**
 * Serve the shell on the loop of the appliance.
 * @return 0 or -errno. Context: control lcore, before lines are run
 */
int tw_shell_attach(struct tw_shell *sh);

/** The control lcore ends: a line that waits is told so. Context: control lcore. */
void tw_shell_detach(struct tw_shell *sh);

/**
 * Run a file of lines, silently but for failures (`load` of the shell prints answers); stops at the
 * first.
 * @param why  "FILE:LINE: what and how to mend it"
 * @return 0, or -errno
 */
int tw_shell_load(struct tw_shell *sh, const char *path, char *why, size_t why_size);

/**
 * Run lines of standard input until `quit`, its end, or the end of the appliance: with editing,
 * history and completion on a terminal, plainly otherwise.
 * @return exit status: 0, or 1 if a line from a pipe failed
 */
int tw_shell_run(struct tw_shell *sh);

#endif /* TW_SHELL_H */
