/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Rows of a session's report into fields.
 */
#include <stdio.h>
#include <string.h>

#include "out_metrics.h"
#include "tw_base.h"
#include "tw_clock.h"

static void
brief(const struct tw_metrics_fig *f, char *out, size_t size)
{
	char value[32] = "-";
	char error[32] = "unknown";

	if (f->state == TW_METRICS_S_FINITE)
		tw_out_ns_text(f->value_ns, value);
	else if (f->state == TW_METRICS_S_INFINITE)
		snprintf(value, sizeof(value), "infinite");
	if (f->error_ns != TW_METRICS_ERROR_UNKNOWN)
		tw_out_ns_text((int64_t)f->error_ns, error);
	if (f->state == TW_METRICS_S_FINITE)
		snprintf(out, size, "%s +- %s%s%s%s%s", value, error, f->is_valid ? "" : " (",
			f->is_valid ? "" : tw_metrics_reason_name(f->reason),
			f->is_valid ? "" : ")", f->is_below_resolution ? " (finer than 1/N)" : "");
	else
		snprintf(out, size, "%s%s%s%s", value, f->is_valid ? "" : " (",
			f->is_valid ? "" : tw_metrics_reason_name(f->reason),
			f->is_valid ? "" : ")");
}

static void
put_error(struct tw_out *o, const char *name, uint64_t error_ns)
{
	if (error_ns == TW_METRICS_ERROR_UNKNOWN)
		tw_out_null(o, name);
	else
		tw_out_ns(o, name, (int64_t)error_ns);
}

void
tw_out_fig(struct tw_out *o, const char *name, const struct tw_metrics_fig *f)
{
	char text[160];

	brief(f, text, sizeof(text));
	tw_out_obj_brief(o, name, text);
	if (f->state == TW_METRICS_S_FINITE)
		tw_out_ns(o, "value_ns", f->value_ns);
	else
		tw_out_null(o, "value_ns");
	put_error(o, "error_ns", f->error_ns);
	tw_out_str(o, "state", tw_metrics_state_name(f->state));
	tw_out_bool(o, "is_valid", f->is_valid);
	tw_out_str(o, "reason", f->is_valid ? NULL : tw_metrics_reason_name(f->reason));
	tw_out_bool(o, "is_below_resolution", f->is_below_resolution);
	tw_out_obj_end(o);
}

static void
put_count(struct tw_out *o, const char *name, const struct tw_metrics_count *c)
{
	char reason[64];

	if (c->is_valid) {
		tw_out_u64(o, name, c->value, "packets");
		return;
	}
	tw_out_null(o, name);
	snprintf(reason, sizeof(reason), "%s_reason", name);
	tw_out_str(o, reason, tw_metrics_reason_name(c->reason));
}

void
tw_out_sources(struct tw_out *o, const char *name, uint32_t sources)
{
	tw_out_arr(o, name);
	for (unsigned s = TW_STAMP_NONE + 1; s < TW_STAMP_N; s++) {
		if (sources & (1U << s))
			tw_out_str(o, NULL, tw_clock_source_name(s));
	}
	tw_out_arr_end(o);
}

static bool
is_duration(const char *name)
{
	size_t len = strlen(name);

	return len > 3 && strcmp(name + len - 3, "_ns") == 0;
}

static void
put_row(struct tw_out *o, const struct tw_metrics_row *row, const void *p)
{
	switch (row->kind) {
	case TW_METRICS_K_U64:
		tw_out_u64(o, row->name, *(const uint64_t *)p, "packets");
		break;
	case TW_METRICS_K_I64:
		if (is_duration(row->name))
			tw_out_ns(o, row->name, *(const int64_t *)p);
		else
			tw_out_i64(o, row->name, *(const int64_t *)p, NULL);
		break;
	case TW_METRICS_K_COUNT:
		put_count(o, row->name, p);
		break;
	case TW_METRICS_K_FIG:
		tw_out_fig(o, row->name, p);
		break;
	case TW_METRICS_K_PCT:
		tw_out_real(o, row->name, *(const double *)p, "%");
		break;
	case TW_METRICS_K_FRAC:
		tw_out_real(o, row->name, *(const double *)p, NULL);
		break;
	case TW_METRICS_K_BOOL:
		tw_out_bool(o, row->name, *(const bool *)p);
		break;
	case TW_METRICS_K_TTL:
		if (*(const int16_t *)p == TW_METRICS_TTL_NONE)
			tw_out_null(o, row->name);
		else
			tw_out_i64(o, row->name, *(const int16_t *)p, NULL);
		break;
	case TW_METRICS_K_ERR:
		put_error(o, row->name, *(const uint64_t *)p);
		break;
	case TW_METRICS_K_SOURCES:
		tw_out_sources(o, row->name, *(const uint32_t *)p);
		break;
	default:
		break;
	}
}

void
tw_out_metrics(struct tw_out *o, const struct tw_metrics_report *r)
{
	size_t cnt;
	const struct tw_metrics_row *rows = tw_metrics_rows(&cnt);

	for (size_t i = 0; i < cnt; i++) {
		if (i == 0 || strcmp(rows[i].group, rows[i - 1].group) != 0) {
			if (i > 0)
				tw_out_obj_end(o);
			tw_out_obj(o, rows[i].group);
		}
		put_row(o, &rows[i], (const char *)r + rows[i].offset);
	}
	if (cnt > 0)
		tw_out_obj_end(o);
}
