/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Words about operations, for the shell's `help` and for the manual pages: from the rows alone.
 * Context: any thread.
 */
#ifndef TW_HELP_H
#define TW_HELP_H

#include <stdio.h>

#include "ops.h"

/** All nouns with their verbs. */
void tw_help_overview(FILE *to);

/** One noun: its operations. @return false if there is none of this name */
bool tw_help_noun(FILE *to, const char *noun);

/** One verb: the nouns it goes with. @return false if there is none of this name */
bool tw_help_verb(FILE *to, const char *verb);

/** One operation: keys with type, unit, bounds, default and meaning. */
void tw_help_op(FILE *to, const struct tw_op *op);

/** "duration, 1 to 1000, default 2": what a key takes, in one line. */
void tw_help_key_bounds(FILE *to, const struct tw_conf_key *key);

#endif /* TW_HELP_H */
