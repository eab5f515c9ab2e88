/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * What the headers of strongSwan want to know of the way Debian configured it. ME moves members of
 * its objects, so it has to be as there; the others only choose between equal functions. VERSION
 * comes from scripts/ikeshim.
 */
#ifndef CONFIG_H_INCLUDED
#define CONFIG_H_INCLUDED

#define ME
#define USE_IKEV1
#define USE_IKEV2
#define HAVE_ALLOCA_H
#define HAVE_CLOCK_GETTIME
#define HAVE_CONDATTR_CLOCK_MONOTONIC
#define HAVE_EXPLICIT_BZERO
#define HAVE_GCC_ATOMIC_OPERATIONS
#define HAVE_PRINTF_SPECIFIER
#define HAVE_SIGWAITINFO
#define HAVE_STDBOOL_H
#define HAVE_SYS_PARAM_H

#endif
