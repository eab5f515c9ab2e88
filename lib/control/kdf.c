/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Key derivation jobs: made by a machine, run by a worker thread, handed back to the machine. The
 * job lies in the secret heap because of the token key; while a worker has it the machine touches
 * `owner` alone, which the worker does not read.
 */
#include <errno.h>
#include <string.h>

#include "control_i.h"

struct tw_ctl_kdf_job *
ctl_kdf_new(struct tw_secret *secret, const uint8_t salt[16], uint32_t count)
{
	struct tw_ctl_kdf_job *job = tw_crypto_alloc(sizeof(*job));

	if (job == NULL) {
		tw_secret_drop(secret);
		return NULL;
	}
	job->secret = secret;
	job->count = count;
	job->res = -ECANCELED;
	memcpy(job->salt, salt, sizeof(job->salt));
	return job;
}

void
ctl_kdf_free(struct tw_ctl_kdf_job *job)
{
	tw_secret_drop(job->secret);
	tw_crypto_free(job); /* wipes */
}

void
tw_ctl_kdf_run(struct tw_ctl_kdf_job *job)
{
	job->res = tw_crypto_kdf(job->secret, job->salt, job->count, job->tk);
}

void
tw_ctl_kdf_done(struct tw_ctl_kdf_job *job, struct tw_ctl_time now)
{
	if (job->owner != NULL)
		job->done(job->owner, job, now);
	ctl_kdf_free(job);
}
