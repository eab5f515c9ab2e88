/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The command line: both halves, what is completed for EAL, refusals. */
#include <criterion/criterion.h>
#include <string.h>

#include "options.h"

static struct tw_options opt;
static char err[256];

#define ARGC(argv) ((int)(sizeof(argv) / sizeof(*(argv))) - 1)

static bool
eal_has(const char *text)
{
	int i;

	for (i = 0; i < opt.eal_argc; i++)
		if (strcmp(opt.eal_argv[i], text) == 0)
			return true;
	return false;
}

static int
parse(int argc, const char *const *words)
{
	char *argv[20];
	int i;

	for (i = 0; i < argc; i++)
		argv[i] = strdup(words[i]);
	argv[argc] = NULL;
	return tw_options_parse(&opt, argc, argv, err, sizeof(err));
}

Test(options, takes_both_halves)
{
	const char *argv[] = {"twampline", "-l", "0-2", "--no-huge", "--", "--name", "box-1", "-i",
		"--config", "a.conf", "--log", "stderr", "--reflectors", "1000000", NULL};

	cr_assert_eq(parse(ARGC(argv), argv), 0, "%s", err);
	cr_assert_str_eq(opt.name, "box-1");
	cr_assert_str_eq(opt.config, "a.conf");
	cr_assert(opt.is_interactive);
	cr_assert_eq(opt.log_sink, TW_LOG_TO_STDERR);
	cr_assert_eq(opt.reflectors_max, 1000000);
	cr_assert_eq(opt.senders_max, 0);
	cr_assert(opt.eal_has_no_huge);
	cr_assert(eal_has("0-2"));
	cr_assert(eal_has("--file-prefix=twampline-box-1"));
	cr_assert_not(eal_has("--in-memory"));
	cr_assert_not(eal_has("--lcores"));
}

Test(options, completes_eal_when_nothing_is_given)
{
	const char *argv[] = {"twampline", NULL};

	cr_assert_eq(parse(ARGC(argv), argv), 0, "%s", err);
	cr_assert(eal_has("--in-memory"));
	cr_assert(eal_has("--lcores"));
	cr_assert(eal_has("--file-prefix=twampline-default"));
}

Test(options, leaves_the_operators_prefix_alone)
{
	const char *argv[] = {
		"twampline", "--file-prefix", "x", "--lcores=0@0,1@0,2@0", "--", NULL};

	cr_assert_eq(parse(ARGC(argv), argv), 0, "%s", err);
	cr_assert_not(eal_has("--file-prefix=twampline-default"));
	cr_assert_not(eal_has("--lcores"));
}

Test(options, maps_lcores_to_any_number_of_cpus)
{
	unsigned cpus[] = {2, 5, 7};
	char text[64];

	cr_assert_str_eq(tw_options_lcores(cpus, 1, 4, text, sizeof(text)), "0@2,1@2,2@2");
	cr_assert_str_eq(tw_options_lcores(cpus, 2, 4, text, sizeof(text)), "0@2,1@2,2@5");
	cr_assert_str_eq(tw_options_lcores(cpus, 3, 4, text, sizeof(text)), "0@2,1@2,2@5,3@7");
	cr_assert_str_eq(tw_options_lcores(cpus, 3, 1, text, sizeof(text)), "0@2,1@2,2@5");
}

Test(options, makes_a_simulated_wire_if_asked)
{
	const char *with[] = {"twampline", "--", "--netsim", NULL};
	const char *without[] = {"twampline", "--", NULL};

	cr_assert_eq(parse(ARGC(with), with), 0, "%s", err);
	cr_assert(opt.has_netsim);
	cr_assert_eq(parse(ARGC(without), without), 0, "%s", err);
	cr_assert_not(opt.has_netsim);
}

Test(options, refuses_with_the_option_named)
{
	const char *unknown[] = {"twampline", "--", "--bogus", NULL};
	const char *no_value[] = {"twampline", "--", "--name", NULL};
	const char *bad_name[] = {"twampline", "--", "--name", "../etc", NULL};
	const char *dot_name[] = {"twampline", "--", "--name", "..", NULL};
	const char *bad_sink[] = {"twampline", "--", "--log", "tape", NULL};
	const char *bad_level[] = {"twampline", "--", "--log-level", "clock=loud", NULL};
	const char *none[] = {"twampline", "--", "--reflectors", "0", NULL};
	const char *many[] = {"twampline", "--", "--senders", "4000001", NULL};
	const char *stray[] = {"twampline", "--", "word", NULL};

	cr_assert_lt(parse(ARGC(unknown), unknown), 0);
	cr_assert_not_null(strstr(err, "--bogus"));
	cr_assert_lt(parse(ARGC(no_value), no_value), 0);
	cr_assert_not_null(strstr(err, "--name"));
	cr_assert_lt(parse(ARGC(bad_name), bad_name), 0);
	cr_assert_lt(parse(ARGC(dot_name), dot_name), 0);
	cr_assert_lt(parse(ARGC(bad_sink), bad_sink), 0);
	cr_assert_lt(parse(ARGC(bad_level), bad_level), 0);
	cr_assert_not_null(strstr(err, "loud"));
	cr_assert_lt(parse(ARGC(none), none), 0);
	cr_assert_not_null(strstr(err, "--reflectors '0': use 1 to 4000000"));
	cr_assert_lt(parse(ARGC(many), many), 0);
	cr_assert_lt(parse(ARGC(stray), stray), 0);
	cr_assert_not_null(strstr(err, "word"));
}

Test(options, help_and_version_need_nothing_else)
{
	const char *help[] = {"twampline", "--help", NULL};
	const char *version[] = {"twampline", "--", "--version", NULL};

	cr_assert_eq(parse(ARGC(help), help), 0);
	cr_assert_eq(opt.verb, TW_OPTIONS_HELP);
	cr_assert_eq(parse(ARGC(version), version), 0);
	cr_assert_eq(opt.verb, TW_OPTIONS_VERSION);
}

Test(options, sets_the_level_of_one_area)
{
	const char *argv[] = {"twampline", "--", "--log-level", "warning,clock=debug", NULL};

	cr_assert_eq(parse(ARGC(argv), argv), 0, "%s", err);
	cr_assert_eq(tw_log_level_get(TW_LOG_CLOCK), TW_LOG_DEBUG);
	cr_assert_eq(tw_log_level_get(TW_LOG_APP), TW_LOG_WARNING);
}
