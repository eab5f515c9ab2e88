/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Help texts from the rows.
 */
#include <inttypes.h>
#include <string.h>

#include "help.h"

void
tw_help_overview(FILE *to)
{
	size_t cnt;
	const struct tw_feature *f = tw_ops_features(&cnt);

	fputs("Lines are VERB NOUN [KEY VALUE]...; the value of a first key may stand alone.\n"
	      "`help NOUN` lists the verbs of a noun, `help VERB` the nouns it goes with,\n"
	      "`help VERB NOUN` the keys.\n\n",
		to);
	for (size_t i = 0; i < cnt; i++) {
		fprintf(to, "%-10s %s:", f[i].noun, f[i].help);
		for (size_t k = 0; k < f[i].rows->op_cnt; k++) {
			if (!(f[i].rows->ops[k].flags & TW_OP_NO_SHELL))
				fprintf(to, " %s", f[i].rows->ops[k].verb);
		}
		fputc('\n', to);
	}
	fputs("\nload FILE  run the lines of a file, stop at the first that fails\n"
	      "quit       end the appliance\n",
		to);
}

bool
tw_help_noun(FILE *to, const char *noun)
{
	size_t cnt;
	const struct tw_feature *f = tw_ops_features(&cnt);

	for (size_t i = 0; i < cnt; i++) {
		if (strcmp(f[i].noun, noun) != 0)
			continue;
		fprintf(to, "%s: %s\n", noun, f[i].help);
		for (size_t k = 0; k < f[i].rows->op_cnt; k++) {
			const struct tw_op *op = &f[i].rows->ops[k];

			if (!(op->flags & TW_OP_NO_SHELL))
				fprintf(to, "  %s %s\n      %s\n", op->verb, noun, op->help);
		}
		return true;
	}
	return false;
}

bool
tw_help_verb(FILE *to, const char *verb)
{
	size_t cnt;
	const struct tw_feature *f = tw_ops_features(&cnt);
	bool is_known = false;

	for (size_t i = 0; i < cnt; i++) {
		for (size_t k = 0; k < f[i].rows->op_cnt; k++) {
			const struct tw_op *op = &f[i].rows->ops[k];

			if (strcmp(op->verb, verb) != 0 || (op->flags & TW_OP_NO_SHELL))
				continue;
			fprintf(to, "  %s %s\n      %s\n", verb, op->noun, op->help);
			is_known = true;
		}
	}
	return is_known;
}

/* A bound in the form that a user would write. */
static void
put_bound(FILE *to, const struct tw_conf_key *key, int64_t v)
{
	char text[40];
	struct tw_conf_value value = {.i64 = v};

	tw_conf_format(key, &value, text, sizeof(text));
	fputs(text, to);
}

static void
put_choices(FILE *to, const struct tw_conf_key *key)
{
	for (const char *const *c = key->choices; *c != NULL; c++)
		fprintf(to, "%s%s", c == key->choices ? "" : "|", *c);
}

static void
put_bounds(FILE *to, const struct tw_conf_key *key)
{
	switch (key->type) {
	case TW_CONF_U64:
	case TW_CONF_I64:
	case TW_CONF_DURATION:
		if (key->max != 0) {
			fputs(", ", to);
			put_bound(to, key, key->min);
			fputs(" to ", to);
			put_bound(to, key, key->max);
		} else if (key->min > 0) {
			fputs(", at least ", to);
			put_bound(to, key, key->min);
		}
		break;
	case TW_CONF_RANGE:
		if (key->max != 0)
			fprintf(to, ", within %" PRId64 "-%" PRId64, key->min, key->max);
		break;
	default:
		break;
	}
	if (key->unit != NULL)
		fprintf(to, " %s", key->unit);
}

void
tw_help_key_bounds(FILE *to, const struct tw_conf_key *key)
{
	static const struct {
		int64_t ns;
		const char *word;
	} units[] = {{1, "ns"}, {1000, "us"}, {1000000, "ms"}, {1000000000, "s"}};

	if (key->is_list)
		fputs("list of ", to);
	if (key->type == TW_CONF_ENUM)
		put_choices(to, key);
	else
		fputs(tw_conf_type_str(key->type), to);
	for (size_t i = 0; key->type == TW_CONF_DURATION && i < 4; i++) {
		if (units[i].ns == tw_conf_unit_ns(key->name))
			fprintf(to, " in %s", units[i].word);
	}
	put_bounds(to, key);
	if (key->is_required)
		fputs(", required", to);
	if (key->def != NULL && key->def[0] != '\0')
		fprintf(to, ", default %s", key->def);
}

void
tw_help_op(FILE *to, const struct tw_op *op)
{
	fprintf(to, "%s %s", op->verb, op->noun);
	for (size_t i = 0; i < op->key_cnt; i++) {
		const struct tw_conf_key *key = &op->keys[i];

		fprintf(to, " %s%s%s%s", key->is_required ? "" : "[",
			key->is_positional ? "" : key->name, key->is_positional ? "" : " ",
			key->is_positional ? key->name : "VALUE");
		fputs(key->is_required ? "" : "]", to);
	}
	fprintf(to, "\n  %s\n  Answer: %s\n", op->help, op->result);
	for (size_t i = 0; i < op->key_cnt; i++) {
		fprintf(to, "  %-18s %s\n%21s(", op->keys[i].name, op->keys[i].help, "");
		tw_help_key_bounds(to, &op->keys[i]);
		fputs(")\n", to);
	}
}
