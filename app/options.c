/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Reading the command line. Pure text work: nothing is opened here.
 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Data lcores when the operator names none: more are a decision about the machine. */
#define DATA_LCORES_DEFAULT 1

#define RUN_DIR_DEFAULT "/run/twampline"

static const char log_areas[] =
#define X(id, name, help) " " name
#include "log_areas.def"
#undef X
	;

enum {
	OPT_NAME = 256,
	OPT_CONFIG,
	OPT_USER,
	OPT_KEEP_ROOT,
	OPT_NETSIM,
	OPT_RUN_DIR,
	OPT_LOG,
	OPT_LOG_LEVEL,
	OPT_REFLECTORS,
	OPT_SENDERS,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{"name", required_argument, NULL, OPT_NAME},
	{"config", required_argument, NULL, OPT_CONFIG},
	{"interactive", no_argument, NULL, 'i'},
	{"user", required_argument, NULL, OPT_USER},
	{"keep-root", no_argument, NULL, OPT_KEEP_ROOT},
	{"netsim", no_argument, NULL, OPT_NETSIM},
	{"run-dir", required_argument, NULL, OPT_RUN_DIR},
	{"log", required_argument, NULL, OPT_LOG},
	{"log-level", required_argument, NULL, OPT_LOG_LEVEL},
	{"reflectors", required_argument, NULL, OPT_REFLECTORS},
	{"senders", required_argument, NULL, OPT_SENDERS},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

const char *
tw_options_help(void)
{
	return "usage: twampline [EAL options] -- [options]\n"
	       "\n"
	       "TWAMP (RFC 5357) over DPDK: server, reflector, client and sender in one process.\n"
	       "\n"
	       "  --name NAME        sockets go to /run/twampline/NAME/ (default: default)\n"
	       "  --config FILE      run this file of shell lines before anything is served\n"
	       "  -i, --interactive  shell on this terminal\n"
	       "  --user USER        run as this user once ports and sockets are open\n"
	       "                     (default: twampline, or nobody where there is no such user)\n"
	       "  --keep-root        do not change the user\n"
	       "  --netsim           make a simulated wire: ports sim0 and sim1, 127.0.2.1 and\n"
	       "                     127.0.2.2 reached over it (see `help netsim`)\n"
	       "  --run-dir DIR      parent of the socket folder (default: /run/twampline)\n"
	       "  --log SINK         auto, stderr or journal (default: auto)\n"
	       "  --log-level TEXT   LEVEL or AREA=LEVEL[,AREA=LEVEL...]; levels: error, warning,\n"
	       "                     notice, info, debug\n"
	       "  --reflectors N     room for N reflector sessions (default: 100000)\n"
	       "  --senders N        room for N sender sessions (default: 100000)\n"
	       "  --help, --version\n"
	       "\n"
	       "EAL options are those of DPDK, e.g. --lcores '0@0,1@0,2@1' (the lowest lcore is "
	       "main,\n"
	       "the next is control, the rest carry packets), -a PCI, --no-pci, --no-huge -m 512.\n"
	       "Without them the CPUs this process may use are shared out and --in-memory is "
	       "set.\n";
}

static int
fail(char *err, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* A name becomes part of a path and of a DPDK file prefix. */
static bool
name_is_good(const char *name)
{
	size_t i, len = strlen(name);

	if (len == 0 || len >= TW_NAME_SIZE || name[0] == '.' || name[0] == '-')
		return false;
	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && strchr("._-", name[i]) == NULL)
			return false;
	return true;
}

static int
log_levels_apply(const char *text, char *err, size_t size)
{
	char copy[TW_OPTIONS_TEXT_MAX], *item, *save = NULL, *eq;
	int area, level;

	if (strlen(text) >= sizeof(copy))
		return fail(err, size, "--log-level: the text is too long");
	strcpy(copy, text);
	for (item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		area = TW_LOG_AREA_N;
		eq = strchr(item, '=');
		if (eq != NULL) {
			*eq = '\0';
			area = tw_log_area_find(item);
			if (area < 0)
				return fail(err, size, "--log-level: no area '%s'; there are:%s",
					item, log_areas);
			item = eq + 1;
		}
		level = tw_log_level_find(item);
		if (level < 0)
			return fail(err, size,
				"--log-level: no level '%s'; use error, warning, notice, info or "
				"debug",
				item);
		tw_log_level_set((enum tw_log_area)area, (enum tw_log_level)level);
	}
	return 0;
}

static int
log_sink_find(const char *text)
{
	if (strcmp(text, "auto") == 0)
		return TW_LOG_TO_AUTO;
	if (strcmp(text, "stderr") == 0)
		return TW_LOG_TO_STDERR;
	if (strcmp(text, "journal") == 0)
		return TW_LOG_TO_JOURNAL;
	return -EINVAL;
}

static int
count_take(const char *name, uint32_t *out, char *err, size_t size)
{
	char *end;
	unsigned long v = strtoul(optarg, &end, 10);

	if (!isdigit((unsigned char)optarg[0]) || *end != '\0' || v < 1 ||
		v > TW_OPTIONS_SESSIONS_MAX)
		return fail(
			err, size, "%s '%s': use 1 to %u", name, optarg, TW_OPTIONS_SESSIONS_MAX);
	*out = (uint32_t)v;
	return 0;
}

static int
option_take(struct tw_options *a, int opt, const char *given, char *err, size_t size)
{
	int sink;

	switch (opt) {
	case OPT_NAME:
		if (!name_is_good(optarg))
			return fail(err, size,
				"--name '%s': use 1 to %d letters, digits, '.', '_' or '-'", optarg,
				TW_NAME_SIZE - 1);
		strcpy(a->name, optarg);
		return 0;
	case OPT_CONFIG:
		a->config = optarg;
		return 0;
	case 'i':
		a->is_interactive = true;
		return 0;
	case OPT_USER:
		a->user = optarg;
		return 0;
	case OPT_KEEP_ROOT:
		a->keeps_root = true;
		return 0;
	case OPT_NETSIM:
		a->has_netsim = true;
		return 0;
	case OPT_RUN_DIR:
		a->run_dir = optarg;
		return 0;
	case OPT_LOG:
		sink = log_sink_find(optarg);
		if (sink < 0)
			return fail(err, size, "--log '%s': use auto, stderr or journal", optarg);
		a->log_sink = (enum tw_log_sink)sink;
		return 0;
	case OPT_LOG_LEVEL:
		return log_levels_apply(optarg, err, size);
	case OPT_REFLECTORS:
		return count_take("--reflectors", &a->reflectors_max, err, size);
	case OPT_SENDERS:
		return count_take("--senders", &a->senders_max, err, size);
	case OPT_HELP:
		a->verb = TW_OPTIONS_HELP;
		return 0;
	case OPT_VERSION:
		a->verb = TW_OPTIONS_VERSION;
		return 0;
	case ':':
		return fail(err, size, "option '%s' needs a value; see --help", given);
	default:
		return fail(err, size,
			"no option '%s'; EAL options stand before '--', ours after it; see --help",
			given);
	}
}

static int
options_parse(struct tw_options *a, int argc, char **argv, char *err, size_t size)
{
	int opt, ret;

	optind = 0; /* GNU: start afresh */
	opterr = 0;
	for (;;) {
		const char *given = argv[optind > 0 ? optind : 1];

		opt = getopt_long(argc, argv, "+:i", long_options, NULL);
		if (opt == -1)
			break;
		ret = option_take(a, opt, given, err, size);
		if (ret != 0)
			return ret;
	}
	if (optind < argc)
		return fail(err, size, "'%s' is no option; see --help", argv[optind]);
	return 0;
}

static int
eal_add(struct tw_options *a, char *text, char *err, size_t size)
{
	if (a->eal_argc == TW_OPTIONS_EAL_MAX)
		return fail(err, size, "more than %d EAL arguments", TW_OPTIONS_EAL_MAX);
	a->eal_argv[a->eal_argc++] = text;
	return 0;
}

/* One of @p names (up to a NULL) is among the EAL arguments, alone or as NAME=VALUE. */
static bool
eal_has(const struct tw_options *a, const char *const *names)
{
	size_t len;
	int i;

	for (; *names != NULL; names++) {
		len = strlen(*names);
		for (i = 1; i < a->eal_argc; i++) {
			if (strncmp(a->eal_argv[i], *names, len) != 0)
				continue;
			if (a->eal_argv[i][len] == '\0' || a->eal_argv[i][len] == '=')
				return true;
			/* short options carry their value at once, as in -l0-2 */
			if ((*names)[1] != '-')
				return true;
		}
	}
	return false;
}

static char *
eal_text(struct tw_options *a)
{
	return a->eal_text[a->eal_text_cnt++];
}

static unsigned
cpus_allowed(unsigned *cpus, unsigned max)
{
	cpu_set_t set;
	unsigned i, cnt = 0;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	for (i = 0; i < CPU_SETSIZE && cnt < max; i++)
		if (CPU_ISSET(i, &set))
			cpus[cnt++] = i;
	return cnt;
}

const char *
tw_options_lcores(const unsigned *cpus, unsigned cpu_cnt, unsigned data_max, char *out, size_t size)
{
	unsigned i, data_cnt = cpu_cnt > 1 ? cpu_cnt - 1 : 1;
	int len;

	if (data_cnt > data_max)
		data_cnt = data_max;
	len = snprintf(out, size, "0@%u,1@%u", cpus[0], cpus[0]);
	for (i = 0; i < data_cnt && len > 0 && (size_t)len < size; i++)
		len += snprintf(out + len, size - (size_t)len, ",%u@%u", i + 2,
			cpus[cpu_cnt > 1 ? i + 1 : 0]);
	return out;
}

/* Complete what the operator left to us. */
static int
eal_complete(struct tw_options *a, char *err, size_t size)
{
	static const char *const lcore_names[] = {"-l", "-c", "--lcores", NULL};
	static const char *const memory_names[] = {
		"--in-memory", "--no-huge", "--huge-dir", "--huge-unlink", "--legacy-mem", NULL};
	static const char *const iova_names[] = {"--iova-mode", NULL};
	static const char *const prefix_names[] = {"--file-prefix", NULL};
	static const char *const no_huge_names[] = {"--no-huge", NULL};
	static char in_memory[] = "--in-memory", lcores[] = "--lcores", iova[] = "--iova-mode=va";
	unsigned cpus[64], cpu_cnt;
	char *text;

	a->eal_has_no_huge = eal_has(a, no_huge_names);
	if (!eal_has(a, lcore_names)) {
		cpu_cnt = cpus_allowed(cpus, 64);
		if (cpu_cnt == 0)
			return fail(err, size, "cannot tell the CPUs: give EAL option --lcores");
		text = eal_text(a);
		tw_options_lcores(cpus, cpu_cnt, DATA_LCORES_DEFAULT, text, TW_OPTIONS_TEXT_MAX);
		if (eal_add(a, lcores, err, size) != 0 || eal_add(a, text, err, size) != 0)
			return -EINVAL;
	}
	if (!eal_has(a, memory_names) && eal_add(a, in_memory, err, size) != 0)
		return -EINVAL;
	/* physical addresses cannot be looked up once root is dropped */
	if (!eal_has(a, iova_names) && eal_add(a, iova, err, size) != 0)
		return -EINVAL;
	if (!eal_has(a, prefix_names)) {
		text = eal_text(a);
		snprintf(text, TW_OPTIONS_TEXT_MAX, "--file-prefix=twampline-%s", a->name);
		return eal_add(a, text, err, size);
	}
	return 0;
}

int
tw_options_parse(struct tw_options *a, int argc, char **argv, char *err, size_t err_size)
{
	int i, split = argc, ret;

	memset(a, 0, sizeof(*a));
	a->verb = TW_OPTIONS_RUN;
	a->run_dir = RUN_DIR_DEFAULT;
	a->log_sink = TW_LOG_TO_AUTO;
	strcpy(a->name, "default");
	for (i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			split = i;
			break;
		}
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			a->verb = TW_OPTIONS_HELP;
		else if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-v") == 0)
			a->verb = TW_OPTIONS_VERSION;
		if (a->verb != TW_OPTIONS_RUN)
			return 0;
		if (eal_add(a, argv[i], err, err_size) != 0)
			return -EINVAL;
	}
	if (split < argc) {
		ret = options_parse(a, argc - split, argv + split, err, err_size);
		if (ret != 0 || a->verb != TW_OPTIONS_RUN)
			return ret;
	}
	return eal_complete(a, err, err_size);
}
