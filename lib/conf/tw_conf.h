/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Declared keys and their values. A key is declared once (name, type, bounds, default, help); its
 * text and JSON forms, the checks, completion, help and the manual page all come from that row.
 * Operations take a list of keys (tw_args.h), settings are one key each.
 *
 * Nothing here reads a file, resolves a name or logs. Context of everything: any thread, on the
 * caller's memory.
 */
#ifndef TW_CONF_H
#define TW_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_addr.h"

/* Longest string value where the row gives no .max, in octets. */
#define TW_CONF_STR_MAX 255

/* Most items of a list value. */
#define TW_CONF_LIST_MAX 32

enum tw_conf_type {
	TW_CONF_NONE = 0,
	TW_CONF_U64,      /* decimal or 0x hexadecimal; bounds min..max (max 0: no upper bound) */
	TW_CONF_I64,      /* bounds min..max (both 0: none) */
	TW_CONF_BOOL,     /* on|off, yes|no, true|false; JSON true/false */
	TW_CONF_STR,      /* UTF-8 without NUL; bounds on its length in octets */
	TW_CONF_SECRET,   /* octets of a passphrase; never echoed, never in an error text */
	TW_CONF_PATH,     /* file name, as STR; relative to the working directory */
	TW_CONF_ENUM,     /* one word of .choices; the value is its index */
	TW_CONF_ADDR,     /* numeric IPv4 or IPv6 address */
	TW_CONF_PREFIX,   /* address/bits */
	TW_CONF_RANGE,    /* "LO-HI" or one number, within min..max: UDP ports, lcores */
	TW_CONF_DURATION, /* unit from the key's suffix (_ns _us _ms _s) unless one is written:
			     "10", "0.5", "10ms"; the value and its bounds are in ns */
	TW_CONF_ANY,      /* any scalar, kept as text: for values whose key is itself an argument */
	TW_CONF_TYPE_N,
};

/* One key. Rows are static tables; write them with TW_KEY() where the type has a default. */
struct tw_conf_key {
	const char *name;           /* snake_case; numbers with a unit end in it: interval_us */
	const char *help;           /* one line: what it does */
	const char *unit;           /* of U64 and I64, for help and output: "packets"; or NULL */
	const char *def;            /* default in text form, or NULL */
	const char *const *choices; /* ENUM: NULL-terminated words */
	int64_t min;                /* see the types; text: least length */
	int64_t max;                /* see the types; text: greatest length, 0 = TW_CONF_STR_MAX */
	uint8_t type;               /* enum tw_conf_type */
	bool is_required;           /* refuse without it (a key with .def never is) */
	bool is_positional;         /* shell: may stand without its key: `show session 3` */
	bool is_list;               /* shell: a,b,c; JSON: array or one item */
	/* ANY: the row of the thing that the value before it names, NULL if none; for completion */
	const struct tw_conf_key *(*row_of)(const char *name);
};

/** A row: TW_KEY("count", U64, "test packets to send", .min = 1, .def = "100"). */
#define TW_KEY(name_, type_, help_, ...)                                                           \
	{                                                                                          \
		.name = (name_), .type = TW_CONF_##type_, .help = (help_), ##__VA_ARGS__           \
	}

struct tw_conf_range {
	uint32_t lo;
	uint32_t hi; /* inclusive, >= lo */
};

/* A value; which member counts follows from the key's type. */
struct tw_conf_value {
	union {
		uint64_t u64; /* U64 */
		int64_t i64;  /* I64; DURATION in ns */
		bool b;
		unsigned choice; /* ENUM: index into .choices */
		struct tw_addr addr;
		struct tw_prefix prefix;
		struct tw_conf_range range;
		struct {
			const char *p; /* NUL-terminated for convenience */
			size_t len;
		} str; /* STR, SECRET, PATH, ANY */
	};
};

/* Why a value, a key or a line was refused; the slug of each is in the documentation. */
enum tw_conf_reason {
	TW_CONF_OK = 0,
	TW_CONF_R_UNKNOWN_KEY,
	TW_CONF_R_DUPLICATE_KEY,
	TW_CONF_R_MISSING_KEY,   /* a required key is absent */
	TW_CONF_R_MISSING_VALUE, /* the line ends after a key */
	TW_CONF_R_WRONG_TYPE,
	TW_CONF_R_BAD_VALUE, /* right type, wrong form: "10.0.0.300" */
	TW_CONF_R_OUT_OF_BOUNDS,
	TW_CONF_R_TOO_LONG, /* text longer than allowed, too many items, arguments too big */
	TW_CONF_R_BAD_LINE, /* unbalanced quote, control character, too many words */
	TW_CONF_R_N,
};

/* A refusal. The text says what is wrong and what would be right; it never holds a secret. */
struct tw_conf_err {
	enum tw_conf_reason reason;
	char field[64]; /* key name, or "" */
	char text[256];
};

/** The documented word of a reason: "out_of_bounds". Never NULL. */
const char *tw_conf_reason_str(enum tw_conf_reason reason);

/** The word of a type for help and documentation: "duration". Never NULL. */
const char *tw_conf_type_str(unsigned type);

/** The key of this name, or NULL. @p keys holds @p n rows. */
const struct tw_conf_key *tw_conf_find(const struct tw_conf_key *keys, size_t n, const char *name);

/**
 * Fill @p err; always returns false so that a parser can end with `return tw_conf_refuse(...)`.
 * Never pass text that came from a SECRET.
 */
bool tw_conf_refuse(struct tw_conf_err *err, enum tw_conf_reason reason, const char *field,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/**
 * Read one scalar in text form and check it against the row. For text types the value points
 * into @p text.
 * @param text @p len octets, NUL-terminated after them
 * @return false with @p err filled; @p out is then unspecified
 */
bool tw_conf_parse(const struct tw_conf_key *key, const char *text, size_t len,
	struct tw_conf_value *out, struct tw_conf_err *err);

/** Check a number against the row (U64, I64 and DURATION in ns). */
bool tw_conf_check_u64(const struct tw_conf_key *key, uint64_t v, struct tw_conf_err *err);
bool tw_conf_check_i64(const struct tw_conf_key *key, int64_t v, struct tw_conf_err *err);

/** Check the octets of a text value: length, no NUL, valid UTF-8. */
bool tw_conf_check_str(
	const struct tw_conf_key *key, const char *p, size_t len, struct tw_conf_err *err);

/** ns per unit of a key's suffix: interval_us -> 1000; 0 if it has none. */
int64_t tw_conf_unit_ns(const char *key_name);

/**
 * Write a value in the text form that tw_conf_parse() reads back to the same value.
 * SECRET is written as "***".
 * @return length without the terminator, as snprintf
 */
size_t tw_conf_format(
	const struct tw_conf_key *key, const struct tw_conf_value *v, char *out, size_t size);

/** Valid UTF-8 (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF). */
bool tw_conf_is_utf8(const char *p, size_t len);

#endif /* TW_CONF_H */
