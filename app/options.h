/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The command line: `twampline [EAL options] -- [options]`, as testpmd has it. What the operator
 * leaves open for EAL is completed so that several appliances share a host without leaving files
 * behind, and so that a box of any size has its three lcores.
 */
#ifndef TW_OPTIONS_H
#define TW_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"

/* Longest name of an appliance, with the terminator: it is part of socket paths. */
#define TW_NAME_SIZE            32
#define TW_OPTIONS_EAL_MAX      64
#define TW_OPTIONS_TEXT_MAX     256
#define TW_OPTIONS_SESSIONS_MAX 4000000u /* of --reflectors and --senders */

enum tw_options_verb {
	TW_OPTIONS_RUN = 1,
	TW_OPTIONS_HELP,    /* text asked for: print tw_options_help() and leave with status 0 */
	TW_OPTIONS_VERSION, /* print the version and leave with status 0 */
};

struct tw_options {
	enum tw_options_verb verb;
	char name[TW_NAME_SIZE];
	const char *config;  /* file of shell lines, NULL: none */
	const char *user;    /* service user, NULL: the default */
	const char *run_dir; /* parent of the appliance's socket folder */
	bool is_interactive; /* -i */
	bool keeps_root;     /* --keep-root: no change of user */
	bool has_netsim;     /* --netsim */
	enum tw_log_sink log_sink;
	uint32_t reflectors_max; /* sessions there is room for; 0: the data plane's default */
	uint32_t senders_max;
	int eal_argc; /* for rte_eal_init(): argv[0] and what follows */
	char *eal_argv[TW_OPTIONS_EAL_MAX + 1];
	bool eal_has_no_huge; /* --no-huge was given: hugepages are not looked for */
	char eal_text[4][TW_OPTIONS_TEXT_MAX]; /* storage of what we added */
	unsigned eal_text_cnt;
};

/**
 * Read the command line.
 * @param err  gets a message that says what is wrong and how to mend it
 * @return 0, or -EINVAL with @p err filled
 */
int tw_options_parse(struct tw_options *a, int argc, char **argv, char *err, size_t err_size);

/** The text of --help. */
const char *tw_options_help(void);

/**
 * Lcore mapping for a box whose CPUs are @p cpus (ascending): main and control share the first,
 * each further CPU, at most @p data_max, gets a data lcore; one CPU carries all three.
 * @return the text for --lcores
 */
const char *tw_options_lcores(
	const unsigned *cpus, unsigned cpu_cnt, unsigned data_max, char *out, size_t size);

#endif /* TW_OPTIONS_H */
