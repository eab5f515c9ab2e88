/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * SIDs of live sessions, so that no two are equal (RFC 4656 3.5). The last four octets are random:
 * they are the hash. Nobody but us chooses them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "srv_i.h"

static size_t
bucket_of(const struct sids *s, const uint8_t sid[TW_CTL_SID_LEN])
{
	return tw_load_be32(sid + 12) & (s->size - 1);
}

int
ctl_sids_reserve(struct sids *s)
{
	size_t size = s->size == 0 ? 64 : s->size * 2;
	struct sids grown = {.size = size};

	if (s->cnt < s->size)
		return 0;
	grown.bucket = calloc(size, sizeof(*grown.bucket));
	if (grown.bucket == NULL)
		return -ENOMEM;
	for (size_t b = 0; b < s->size; b++) {
		for (struct tw_ctl_sess *next, *sess = s->bucket[b]; sess != NULL; sess = next) {
			next = sess->sid_next;
			ctl_sids_add(&grown, sess);
		}
	}
	free(s->bucket);
	*s = grown;
	return 0;
}

void
ctl_sids_add(struct sids *s, struct tw_ctl_sess *sess)
{
	size_t b = bucket_of(s, sess->sid);

	sess->sid_next = s->bucket[b];
	s->bucket[b] = sess;
	s->cnt++;
}

void
ctl_sids_del(struct sids *s, struct tw_ctl_sess *sess)
{
	struct tw_ctl_sess **at = &s->bucket[bucket_of(s, sess->sid)];

	while (*at != sess)
		at = &(*at)->sid_next;
	*at = sess->sid_next;
	s->cnt--;
}

bool
ctl_sids_has(const struct sids *s, const uint8_t sid[TW_CTL_SID_LEN])
{
	if (s->size == 0)
		return false;
	for (struct tw_ctl_sess *sess = s->bucket[bucket_of(s, sid)]; sess; sess = sess->sid_next) {
		if (memcmp(sess->sid, sid, TW_CTL_SID_LEN) == 0)
			return true;
	}
	return false;
}

void
ctl_sids_fini(struct sids *s)
{
	free(s->bucket);
	*s = (struct sids){0};
}
