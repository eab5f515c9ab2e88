/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The keyring. Secrets pass through secret memory only; messages name the KeyID, never more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app.h"
#include "ops.h"
#include "tw_crypto.h"
#include "tw_keyring.h"

#define FILE_MAX (TW_CRYPTO_SECRET_MAX + 2)

/* beside TW_SECRET_WARN_* */
#define WARN_FILE (1U << 16)

static void
put_warnings(struct tw_out *out, unsigned warn)
{
	tw_out_arr(out, "warnings");
	if ((warn & TW_SECRET_WARN_SHORT) != 0)
		tw_out_str(out, NULL, "fewer than 16 octets: easy to guess");
	if ((warn & TW_SECRET_WARN_NON_ASCII) != 0)
		tw_out_str(out, NULL, "not ASCII: both ends must use the same encoding");
	if ((warn & TW_SECRET_WARN_CONTROL) != 0)
		tw_out_str(out, NULL, "control characters, which RFC 5357 advises against");
	if ((warn & WARN_FILE) != 0)
		tw_out_str(out, NULL, "everybody can read the file: chmod o= takes that away");
	tw_out_arr_end(out);
}

static struct tw_secret *
secret_from_text(struct tw_out *out, const char *text, size_t len, unsigned *warn)
{
	if (tw_secret_check_text(text, len, warn) == 0)
		return tw_secret_new(text, len);
	tw_out_fail(out, -EINVAL, "passphrase", "use 1 to 1024 octets on one line",
		"the passphrase is empty, too long or has a line end in it");
	return NULL;
}

/* First line of a regular file, read into secret memory. */
static struct tw_secret *
secret_from_file(struct tw_out *out, const char *path, unsigned *warn)
{
	char *buf = tw_crypto_alloc(FILE_MAX);
	struct tw_secret *secret = NULL;
	const char *end;
	struct stat st;
	ssize_t len;
	int fd;

	if (buf == NULL) {
		tw_out_fail(out, -ENOMEM, NULL, NULL, "no secret memory to read the key file");
		return NULL;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		tw_out_fail(out, fd < 0 && errno == ENOENT ? -ENOENT : -EACCES, "file",
			"name a file the service user may read; before the start (--config) root's "
			"are "
			"readable, too",
			"cannot read key file %s: %s", path,
			fd < 0 ? strerror(errno) : "not a regular file");
		goto done;
	}
	len = read(fd, buf, FILE_MAX);
	if (len < 0) {
		tw_out_fail(out, -EIO, "file", NULL, "cannot read key file %s: %s", path,
			strerror(errno));
		goto done;
	}
	end = memchr(buf, '\n', (size_t)len);
	if (end != NULL)
		len = end - buf;
	if (len > 0 && buf[len - 1] == '\r')
		len--;
	secret = secret_from_text(out, buf, (size_t)len, warn);
	if ((st.st_mode & S_IROTH) != 0) {
		*warn |= WARN_FILE;
		tw_log(TW_LOG_APP, TW_LOG_WARNING,
			"key file %s can be read by everybody: chmod o= %s", path, path);
	}
done:
	if (fd >= 0)
		close(fd);
	tw_crypto_free(buf);
	return secret;
}

static struct tw_secret *
secret_from_args(const struct tw_args *args, struct tw_out *out, unsigned *warn)
{
	unsigned given = (unsigned)tw_args_has(args, "passphrase") + tw_args_has(args, "file") +
			 tw_args_has(args, "hex") + tw_args_has(args, "base64");
	struct tw_secret *secret;
	const char *text;
	size_t len;

	*warn = 0;
	if (given != 1) {
		tw_out_fail(out, -EINVAL, "passphrase",
			"give one of passphrase, file, hex and base64",
			given == 0 ? "no secret given" : "more than one secret given");
		return NULL;
	}
	if (tw_args_has(args, "file"))
		return secret_from_file(out, tw_args_str(args, "file"), warn);
	if (tw_args_has(args, "passphrase")) {
		text = tw_args_bytes(args, "passphrase", &len);
		return secret_from_text(out, text, len, warn);
	}
	if (tw_args_has(args, "hex")) {
		text = tw_args_bytes(args, "hex", &len);
		secret = tw_secret_from_hex(text, len);
	} else {
		text = tw_args_bytes(args, "base64", &len);
		secret = tw_secret_from_base64(text, len);
	}
	if (secret == NULL)
		tw_out_fail(out, errno == ENOMEM ? -ENOMEM : -EINVAL,
			tw_args_has(args, "hex") ? "hex" : "base64",
			"give 1 to 1024 octets, without blanks", "the secret cannot be decoded");
	return secret;
}

static int
key_put(struct tw_app *app, const struct tw_args *args, struct tw_out *out, bool replace)
{
	const char *name = tw_args_str(args, "id");
	struct tw_keyring_id id;
	struct tw_secret *secret;
	unsigned warn;
	int ret;

	if (tw_keyring_id_make(name, strlen(name), &id) != 0)
		return tw_out_fail(
			out, -EINVAL, "id", "use 1 to 80 octets of UTF-8", "this is no KeyID");
	secret = secret_from_args(args, out, &warn);
	if (secret == NULL)
		return tw_out_error(out)->res != 0 ? tw_out_error(out)->res
						   : tw_out_fail(out, -ENOMEM, NULL, NULL,
							     "no secret memory for the key");
	ret = tw_keyring_set(app->keys, &id, secret, replace);
	tw_secret_drop(secret);
	switch (ret) {
	case 0:
		tw_out_str(out, "id", name);
		put_warnings(out, warn);
		return 0;
	case -EEXIST:
		return tw_out_fail(out, ret, "id", "`set key` gives it a new secret",
			"there is a key '%s' already", name);
	case -ENOENT:
		return tw_out_fail(
			out, ret, "id", "`add key` makes it", "there is no key '%s'", name);
	default:
		return tw_out_fail(out, ret, NULL, "remove keys that are not needed",
			"no room for key '%s'", name);
	}
}

static int
op_add(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	return key_put(app, args, out, false);
}

static int
op_set(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	return key_put(app, args, out, true);
}

static int
op_remove(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const char *name = tw_args_str(args, "id");
	struct tw_keyring_id id;

	if (tw_keyring_id_make(name, strlen(name), &id) != 0 ||
		tw_keyring_remove(app->keys, &id) != 0)
		return tw_out_fail(
			out, -ENOENT, "id", "`show key` lists them", "there is no key '%s'", name);
	tw_out_str(out, "id", name);
	return 0;
}

static void
put_id(struct tw_out *out, const char *field, const struct tw_keyring_id *id)
{
	tw_out_strf(out, field, "%.*s", id->len, (const char *)id->b);
}

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	uint64_t limit = tw_args_u64(args, "limit");
	uint64_t at = tw_args_u64(args, "cursor");
	const struct tw_keyring_id *id = NULL;
	uint64_t end = at + limit;

	tw_out_u64(out, "count", tw_keyring_count(app->keys), "keys");
	tw_out_arr(out, "keys");
	for (; at < end; at++) {
		id = tw_keyring_at(app->keys, (unsigned)at);
		if (id == NULL)
			break;
		tw_out_obj(out, NULL);
		put_id(out, "id", id);
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
	if (id != NULL && at < tw_keyring_count(app->keys))
		tw_out_u64(out, "next", at, NULL);
	else
		tw_out_null(out, "next");
	return 0;
}

/* Secrets have no line: a remark tells which keys have to be added. */
static void
config_lines(struct tw_app *app, struct tw_op_lines *lines)
{
	const struct tw_keyring_id *id;
	unsigned i;

	for (i = 0; (id = tw_keyring_at(app->keys, i)) != NULL; i++) {
		char name[sizeof(id->b) + 1];

		snprintf(name, sizeof(name), "%.*s", (int)id->len, (const char *)id->b);
		tw_op_remark(lines,
			(const char *const[]){"add", "key", name, "file", "PATH_OF_ITS_SECRET"}, 5);
	}
}

#define TW_FEATURE        key
#define TW_FEATURE_DEF    "key/key.def"
#define TW_FEATURE_CONFIG config_lines
#include "../feature.h"
