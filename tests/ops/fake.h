/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * An appliance of one noun, for tests of the operation table and its two faces.
 */
#ifndef FAKE_H
#define FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "ops.h"

/* What the handlers did; the appliance itself is of no interest to them. */
struct fake {
	struct tw_op_call *waiting; /* of the last `wait thing` */
	struct tw_op_call *all[80]; /* of every one */
	unsigned all_cnt;
	bool is_abandoned;
	uint64_t shown;
	char secret[64];
	void (*listen)(void *conn); /* of `thing.listen` */
};

extern struct fake fake;

#endif /* FAKE_H */
