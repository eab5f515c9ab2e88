/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Versions shown to users. TW_VERSION comes from the build (meson.build).
 */
#ifndef TW_VERSION_H
#define TW_VERSION_H

#ifndef TW_VERSION
#error "TW_VERSION is given by the build"
#endif

/*
 * Of the JSON methods: the first number changes when a client must change, the second when
 * something is added.
 */
#define TW_API_VERSION "1.0"

#endif /* TW_VERSION_H */
