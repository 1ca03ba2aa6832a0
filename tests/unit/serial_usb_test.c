/* serial_usb_test.c: which USB serial ports a made-up sysfs shows. */
#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../transports/serial_port.h"
#include "usbtree.h"

static struct usbtree tree;

static int set_up(void **state)
{
	(void)state;
	usbtree_create(&tree);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	usbtree_destroy(&tree);
	return 0;
}

static int find(const char *id, struct pl_serial_usb *found)
{
	struct pl_serial_usb wanted;

	if (!pl_serial_usb_parse(id, &wanted))
		return -EINVAL;
	return pl_serial_usb_find(tree.sysfs, &wanted, found);
}

static void ids_are_four_hexadecimal_digits_each(void **state)
{
	static const char *const wrong[] = {
		"",           "auto",      "/dev/ttyUSB0", "0403",
		"0403:",      "0403:600",  "0403:60011",   "403:6001",
		"0403:6001:", "04x3:6001", "0403-6001",    "0x03:6001",
	};
	struct pl_serial_usb usb;

	(void)state;
	assert_true(pl_serial_usb_parse("0403:6001", &usb));
	assert_int_equal(usb.vendor, 0x0403);
	assert_int_equal(usb.product, 0x6001);
	assert_string_equal(usb.serial, "");
	assert_true(pl_serial_usb_parse("10C4:eA60:A1:B2", &usb));
	assert_int_equal(usb.vendor, 0x10c4);
	assert_int_equal(usb.product, 0xea60);
	assert_string_equal(usb.serial, "A1:B2");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(pl_serial_usb_parse(wrong[i], &usb));
}

static void a_serial_number_of_any_length_does_no_harm(void **state)
{
	char text[300] = "0403:6001:";
	struct pl_serial_usb usb;

	(void)state;
	memset(text + 10, 'A', 63);
	assert_true(pl_serial_usb_parse(text, &usb));
	assert_int_equal(strlen(usb.serial), 63);
	text[73] = 'A';
	assert_false(pl_serial_usb_parse(text, &usb));
	memset(text + 10, 'A', 250);
	usbtree_plug(&tree, "ttyUSB0", text, NULL);
	assert_int_equal(pl_serial_usb_read(tree.sysfs, "ttyUSB0", &usb), 0);
	assert_int_equal(strlen(usb.serial), 63);
}

static void both_kinds_of_adapter_are_read(void **state)
{
	struct pl_serial_usb usb;

	(void)state;
	usbtree_plug(&tree, "ttyUSB0", "0403:6001:A1B2", NULL);
	usbtree_plug(&tree, "ttyACM3", "2341:0043", NULL);
	assert_int_equal(pl_serial_usb_read(tree.sysfs, "ttyUSB0", &usb), 0);
	assert_string_equal(usb.tty, "ttyUSB0");
	assert_int_equal(usb.vendor, 0x0403);
	assert_int_equal(usb.product, 0x6001);
	assert_string_equal(usb.serial, "A1B2");
	assert_int_equal(pl_serial_usb_read(tree.sysfs, "ttyACM3", &usb), 0);
	assert_string_equal(usb.tty, "ttyACM3");
	assert_int_equal(usb.vendor, 0x2341);
	assert_string_equal(usb.serial, "");
}

static void what_is_not_a_usb_serial_port_is_not_read(void **state)
{
	struct pl_serial_usb usb;

	(void)state;
	usbtree_plug(&tree, "ttyUSB0", "0403:6001", NULL);
	usbtree_add_builtin(&tree, "ttyS0");
	usbtree_add_builtin(&tree, "ttyACM1"); /* by its name only */
	assert_int_equal(pl_serial_usb_read(tree.sysfs, "ttyS0", &usb), -ENOENT);
	assert_int_equal(pl_serial_usb_read(tree.sysfs, "ttyACM1", &usb), -ENOENT);
	assert_int_equal(pl_serial_usb_read(tree.sysfs, "ttyUSB1", &usb), -ENOENT);
	assert_int_equal(pl_serial_usb_read(tree.sysfs, "", &usb), -ENOENT);
	assert_int_equal(pl_serial_usb_read("/nowhere", "ttyUSB0", &usb), -ENOENT);
}

static void an_unprintable_serial_number_is_made_printable(void **state)
{
	struct pl_serial_usb usb;

	(void)state;
	usbtree_plug(&tree, "ttyUSB0", "0403:6001:\033[2J\303\251", NULL);
	assert_int_equal(pl_serial_usb_read(tree.sysfs, "ttyUSB0", &usb), 0);
	assert_string_equal(usb.serial, "?[2J??");
}

static void an_adapter_is_found_by_its_id(void **state)
{
	struct pl_serial_usb usb;

	(void)state;
	assert_int_equal(find("0403:6001", &usb), -ENOENT);
	usbtree_plug(&tree, "ttyUSB10", "0403:6001:TEN", NULL);
	usbtree_plug(&tree, "ttyUSB9", "0403:6001:NINE", NULL);
	usbtree_plug(&tree, "ttyUSB0", "10c4:ea60:TEN", NULL);
	assert_int_equal(find("0403:6001", &usb), 0);
	assert_string_equal(usb.tty, "ttyUSB9");
	assert_int_equal(find("0403:6001:TEN", &usb), 0);
	assert_string_equal(usb.tty, "ttyUSB10");
	assert_int_equal(find("0403:6001:TE", &usb), -ENOENT);
	assert_int_equal(find("0403:6002", &usb), -ENOENT);
	usbtree_unplug(&tree, "ttyUSB9");
	assert_int_equal(find("0403:6001", &usb), 0);
	assert_string_equal(usb.tty, "ttyUSB10");
}

static void note(void *arg, const struct pl_serial_usb *usb)
{
	char *names = arg;

	strncat(names, usb->tty, 40);
	strncat(names, " ", 2);
}

static void each_usb_port_is_shown_and_nothing_else(void **state)
{
	char names[200] = "";

	(void)state;
	pl_serial_usb_each(tree.sysfs, note, names);
	assert_string_equal(names, "");
	usbtree_add_builtin(&tree, "ttyS0");
	usbtree_plug(&tree, "ttyUSB0", "0403:6001", NULL);
	usbtree_plug(&tree, "ttyACM0", "0403:6001", NULL);
	pl_serial_usb_each(tree.sysfs, note, names);
	assert_int_equal(strlen(names), 16);
	assert_non_null(strstr(names, "ttyUSB0 "));
	assert_non_null(strstr(names, "ttyACM0 "));
	names[0] = '\0';
	pl_serial_usb_each("/nowhere", note, names);
	assert_string_equal(names, "");
}

static bool listed(const char *patterns)
{
	static const struct pl_serial_usb usb = {
		.tty = "ttyUSB0", .vendor = 0x0403, .product = 0x6001, .serial = "A1"
	};

	return pl_serial_usb_listed(patterns, &usb, "/dev/ttyUSB0");
}

static void a_pattern_is_an_id_a_path_or_a_name(void **state)
{
	(void)state;
	assert_true(listed("0403:6001"));
	assert_true(listed("0403:6001:A1"));
	assert_true(listed("/dev/ttyUSB0"));
	assert_true(listed("/dev/ttyUSB*"));
	assert_true(listed("ttyUSB[0-3]"));
	assert_true(listed("10c4:ea60,ttyACM*,ttyUSB0"));
	assert_false(listed(NULL));
	assert_false(listed(""));
	assert_false(listed(","));
	assert_false(listed("0403:6002"));
	assert_false(listed("0403:6001:A2"));
	assert_false(listed("/dev/ttyUSB"));
	assert_false(listed("ttyACM*,10c4:ea60"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(ids_are_four_hexadecimal_digits_each),
		TEST(a_serial_number_of_any_length_does_no_harm),
		TEST(both_kinds_of_adapter_are_read),
		TEST(what_is_not_a_usb_serial_port_is_not_read),
		TEST(an_unprintable_serial_number_is_made_printable),
		TEST(an_adapter_is_found_by_its_id),
		TEST(each_usb_port_is_shown_and_nothing_else),
		TEST(a_pattern_is_an_id_a_path_or_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
