/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The output writer: one set of calls, two renderings with the same content.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "out.h"

static struct tw_out *o;

static void
start(void)
{
	o = tw_out_new();
}

static void
stop(void)
{
	tw_out_free(o);
}

TestSuite(out, .init = start, .fini = stop);

static void
json_is(const char *want)
{
	size_t len;
	const char *got = tw_out_json(o, &len);

	cr_assert_str_eq(got, want, "%s", got);
	cr_assert_eq(len, strlen(want));
}

static void
text_is(const char *want)
{
	size_t len;
	const char *got = tw_out_text(o, &len);

	cr_assert_str_eq(got, want, "%s", got);
	cr_assert_eq(len, strlen(want));
}

Test(out, writes_an_empty_answer)
{
	json_is("{}");
	text_is("");
}

Test(out, writes_every_kind_of_field)
{
	struct tw_addr a;
	struct tw_prefix p;

	cr_assert(tw_addr_parse("192.0.2.1", &a));
	cr_assert(tw_prefix_parse("2001:db8::/32", &p));
	tw_out_str(o, "name", "x");
	tw_out_strf(o, "made", "%d-%d", 1, 2);
	tw_out_bool(o, "is_live", true);
	tw_out_null(o, "gone");
	tw_out_u64(o, "sent", UINT64_MAX, "packets");
	tw_out_i64(o, "offset", -5, NULL);
	tw_out_pct(o, "loss_pct", 1, 3);
	tw_out_pct(o, "none_pct", 1, 0);
	tw_out_real(o, "p99_9_pct", 1.25, "%");
	tw_out_real(o, "odd", 0.0 / 0.0, NULL);
	tw_out_ns(o, "delay_ns", -1234567);
	tw_out_time(o, "start", 1500000000123456789);
	tw_out_time(o, "early", -1);
	tw_out_addr(o, "peer", &a);
	tw_out_addr(o, "unset", &(struct tw_addr){0});
	tw_out_prefix(o, "net", &p);
	json_is("{\"name\":\"x\",\"made\":\"1-2\",\"is_live\":true,\"gone\":null,"
		"\"sent\":18446744073709551615,\"offset\":-5,\"loss_pct\":33.333,"
		"\"none_pct\":null,\"p99_9_pct\":1.250000,\"odd\":null,\"delay_ns\":-1234567,"
		"\"start\":\"2017-07-14T02:40:00.123456789Z\","
		"\"early\":\"1969-12-31T23:59:59.999999999Z\",\"peer\":\"192.0.2.1\","
		"\"unset\":null,\"net\":\"2001:db8::/32\"}");
	text_is("name     x\n"
		"made     1-2\n"
		"is live  yes\n"
		"gone     -\n"
		"sent     18446744073709551615 packets\n"
		"offset   -5\n"
		"loss     33.333 %\n"
		"none     -\n"
		"p99.9    1.250000 %\n"
		"odd      -\n"
		"delay    -1.235 ms\n"
		"start    2017-07-14T02:40:00.123456789Z\n"
		"early    1969-12-31T23:59:59.999999999Z\n"
		"peer     192.0.2.1\n"
		"unset    -\n"
		"net      2001:db8::/32\n");
}

Test(out, scales_durations)
{
	tw_out_ns(o, "a_ns", 0);
	tw_out_ns(o, "b_ns", 999);
	tw_out_ns(o, "c_ns", 1000);
	tw_out_ns(o, "d_ns", 999999);
	tw_out_ns(o, "e_ns", 1000000);
	tw_out_ns(o, "f_ns", 2000000000);
	tw_out_ns(o, "g_ns", INT64_MIN);
	text_is("a  0 ns\nb  999 ns\nc  1.000 us\nd  999.999 us\ne  1.000 ms\nf  2.000 s\n"
		"g  -9223372036.855 s\n");
}

Test(out, shows_equal_objects_as_a_table)
{
	tw_out_arr(o, "sessions");
	for (unsigned i = 1; i <= 2; i++) {
		tw_out_obj(o, NULL);
		tw_out_u64(o, "id", i, NULL);
		tw_out_str(o, "state", i == 1 ? "RUNNING" : "ENDED");
		tw_out_u64(o, "sent", 1000 * i, "packets");
		tw_out_ns(o, "delay_ns", 1500 * i);
		tw_out_obj_end(o);
	}
	tw_out_arr_end(o);
	tw_out_arr(o, "none");
	tw_out_arr_end(o);
	json_is("{\"sessions\":[{\"id\":1,\"state\":\"RUNNING\",\"sent\":1000,\"delay_ns\":1500},"
		"{\"id\":2,\"state\":\"ENDED\",\"sent\":2000,\"delay_ns\":3000}],\"none\":[]}");
	text_is("sessions:\n"
		"  id  state    sent/packets     delay\n"
		"   1  RUNNING          1000  1.500 us\n"
		"   2  ENDED            2000  3.000 us\n"
		"none  none\n");
}

Test(out, nests_objects_and_unequal_lists)
{
	tw_out_obj(o, "forward");
	tw_out_ns(o, "min_ns", 5);
	tw_out_obj_end(o);
	tw_out_arr(o, "mixed");
	tw_out_obj(o, NULL);
	tw_out_u64(o, "a", 1, NULL);
	tw_out_obj_end(o);
	tw_out_obj(o, NULL);
	tw_out_u64(o, "b", 2, NULL);
	tw_out_obj_end(o);
	tw_out_arr_end(o);
	tw_out_arr(o, "modes");
	tw_out_str(o, NULL, "open");
	tw_out_str(o, NULL, "mixed");
	tw_out_arr_end(o);
	json_is("{\"forward\":{\"min_ns\":5},\"mixed\":[{\"a\":1},{\"b\":2}],"
		"\"modes\":[\"open\",\"mixed\"]}");
	text_is("forward:\n  min  5 ns\nmixed:\n  [1]\n    a  1\n  [2]\n    b  2\n"
		"modes:\n  open, mixed\n");
}

Test(out, keeps_strings_from_steering_a_terminal_or_breaking_a_line)
{
	tw_out_str(o, "peer", "\x1b[2Jx\n\"\\\x7f\xc2\x9b!");
	tw_out_str(o, "bad",
		"a\xff"
		"b");
	json_is("{\"peer\":\"\\u001b[2Jx\\n\\\"\\\\\\u007f\xc2\x9b!\",\"bad\":\"a\xef\xbf\xbd"
		"b\"}");
	text_is("peer  ?[2Jx?\"\\\?\?\?!\nbad   a?"
		"b\n");
}

Test(out, shows_long_strings_whole)
{
	char text[1000];
	char want[1100] = "v  ";

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	tw_out_str(o, "v", text);
	text_is(strcat(strcat(want, text), "\n"));
}

Test(out, keeps_blocks_as_they_are)
{
	tw_out_block(o, "lines", "set config a 1\n\n# end");
	json_is("{\"lines\":\"set config a 1\\n\\n# end\"}");
	text_is("set config a 1\n\n# end\n");
}

Test(out, writes_declared_values)
{
	static const struct tw_conf_key wait = TW_KEY("wait_s", DURATION, "h");
	static const struct tw_conf_key secret = TW_KEY("secret", SECRET, "h");
	static const struct tw_conf_key ports = TW_KEY("ports", RANGE, "h");

	tw_out_value(o, "wait_s", &wait, &(struct tw_conf_value){.i64 = 1500000000});
	tw_out_value(
		o, "secret", &secret, &(struct tw_conf_value){.str = {.p = "hunter2", .len = 7}});
	tw_out_value(o, "ports", &ports, &(struct tw_conf_value){.range = {.lo = 1, .hi = 9}});
	json_is("{\"wait_s\":1.5,\"secret\":\"***\",\"ports\":\"1-9\"}");
	text_is("wait    1.5 s\nsecret  ***\nports   1-9\n");
}

Test(out, first_failure_stays_and_silences_the_rest)
{
	size_t len;

	tw_out_str(o, "a", "b");
	cr_assert_eq(tw_out_fail(o, -ENOENT, "id", "look", "no session %d", 3), -ENOENT);
	tw_out_fail(o, -EIO, NULL, NULL, "second");
	tw_out_obj(o, "x");
	tw_out_obj_end(o);
	cr_assert_eq(tw_out_error(o)->res, -ENOENT);
	cr_assert_str_eq(tw_out_error_json(o, 0, &len),
		"{\"code\":-32001,\"message\":\"no session 3\",\"data\":{\"field\":\"id\","
		"\"reason\":\"not_found\",\"hint\":\"look\"}}");
	cr_assert_str_eq(tw_out_error_text(o, &len), "no session 3: look");
	tw_out_reset(o);
	cr_assert_eq(tw_out_error(o)->res, 0);
	json_is("{}");
}

Test(out, gives_up_on_a_runaway_answer)
{
	size_t len;

	tw_out_arr(o, "endless");
	for (unsigned i = 0; i < 300000; i++)
		tw_out_u64(o, NULL, i, NULL);
	tw_out_arr_end(o);
	cr_assert_null(tw_out_json(o, &len));
	cr_assert_eq(tw_out_error(o)->res, -ENOMEM);
	cr_assert_str_eq(tw_out_error(o)->reason, "no_memory");
}

Test(out, accepts_nobody_listening)
{
	tw_out_obj(NULL, "x");
	tw_out_u64(NULL, "x", 1, NULL);
	tw_out_obj_end(NULL);
	cr_assert_eq(tw_out_fail(NULL, -EIO, NULL, NULL, "x"), -EIO);
}
