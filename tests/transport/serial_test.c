#define _GNU_SOURCE /* posix_openpt(), CRTSCTS, TIOCGEXCL */
/* serial_test.c: serial lines, on the real libserialport over ptys.
 *
 * ptymodem.c is linked in, so that the library takes a pty for a serial port.  The test
 * holds the other end of the cable (the master), and the tty itself too: what has arrived
 * there is then known without waiting, and its settings can be read. */
#include "street.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "ptymodem.h"
#include "world.h"

static const struct pl_serial_settings plain = {
	.baudrate = 115200, .bytesize = 8, .stopbits = 1, .dtr = true, .rts = true
};

/* --- settings ------------------------------------------------------------------------------ */

static void assert_raw(const struct cable *c)
{
	struct termios t;

	assert_int_equal(tcgetattr(c->tty, &t), 0);
	assert_int_equal(t.c_lflag & (ICANON | ECHO | ISIG), 0);
	assert_int_equal(t.c_oflag & OPOST, 0);
	assert_int_equal(t.c_iflag & (ICRNL | ISTRIP | IXON | IXOFF | IXANY | BRKINT), 0);
	assert_int_equal(t.c_cflag & (CRTSCTS | HUPCL | CSTOPB), 0);
	assert_int_equal(t.c_cflag & (CLOCAL | CREAD), CLOCAL | CREAD);
	assert_int_equal(cfgetospeed(&t), B115200);
	assert_int_equal(t.c_cc[VMIN], 1);
}

static void a_line_is_115200_8n1_raw_and_without_flow_control(void **state)
{
	(void)state;
	plug(&cable);
	listen_on_device("");
	assert_true(is_open(&cable));
	assert_raw(&cable);
	assert_int_equal(ptymodem_lines & (TIOCM_DTR | TIOCM_RTS), TIOCM_DTR | TIOCM_RTS);
}

static void assert_settings(const struct cable *c)
{
	struct termios t;

	assert_int_equal(tcgetattr(c->tty, &t), 0);
	assert_int_equal(cfgetospeed(&t), B9600);
	assert_true(t.c_cflag & CSTOPB);
	assert_true(t.c_cflag & CRTSCTS);
	assert_int_equal(t.c_iflag & (IXON | IXOFF | IXANY), IXON | IXOFF);
}

static void every_setting_reaches_the_line(void **state)
{
	(void)state;
	plug(&cable);
	listen_on_device(":baudrate=9600:bytesize=7:parity=even:stopbits=2:xonxoff=yes"
	                 ":rtscts=yes:dtr=off:rts=off");
	assert_settings(&cable);
	assert_int_equal(ptymodem_lines & (TIOCM_DTR | TIOCM_RTS), 0);
}

static void any_speed_can_be_had(void **state)
{
	/* struct termios2, whose header cannot stand beside termios.h */
	struct {
		tcflag_t flags[4];
		cc_t line, cc[19];
		speed_t input, output;
	} t;

	(void)state;
	plug(&cable);
	listen_on_device(":baudrate=74880");
	assert_int_equal(ioctl(cable.tty, _IOR('T', 0x2A, t), &t), 0);
	assert_int_equal(t.output, 74880);
}

/* --- a tty that the library refuses ---------------------------------------------------------- */

static void a_tty_without_modem_lines_is_opened_all_the_same(void **state)
{
	struct pl_serial_port port;
	struct pl_error err;

	(void)state;
	plug(&cable);
	assert_int_equal(pl_serial_open(&port, cable.name, &plain, &err), 0);
	assert_non_null(port.sp);
	pl_serial_close(&port);
	ptymodem_off = true;
	assert_int_equal(pl_serial_open(&port, cable.name, &plain, &err), 0);
	assert_null(port.sp);
	assert_raw(&cable);
	assert_true(fcntl(port.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(port.fd, F_GETFD) & FD_CLOEXEC);
	pl_serial_close(&port);
}

static void it_works_and_has_the_same_settings(void **state)
{
	(void)state;
	ptymodem_off = true;
	plug(&cable);
	listen_on_device(":baudrate=9600:stopbits=2:xonxoff=yes:rtscts=yes");
	assert_settings(&cable);
	assert_string_equal(screen(&cable), INVITATION);
	join(&cable);
	type(&cable, "hi\r");
	assert_string_equal(record_log(records_newest(&people)), "made; data \"hi\\r\"");
}

static void there_only_common_speeds_can_be_had(void **state)
{
	struct pl_serial_settings odd = plain;
	struct pl_serial_port port;
	struct pl_error err;

	(void)state;
	ptymodem_off = true;
	plug(&cable);
	odd.baudrate = 74880;
	assert_int_equal(pl_serial_open(&port, cable.name, &odd, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "does not do 74880 8N1"));
}

/* --- what can go wrong, in sentences --------------------------------------------------------- */

static void assert_refused(const char *endpoint, const char *because)
{
	struct pl_error err = { .text = "" };

	assert_null(listen_with(endpoint, &err));
	if (!strstr(err.text, because))
		fail_msg("serial:%s: \"%s\" has no \"%s\"", endpoint, err.text, because);
}

static void what_can_never_be_a_device_is_refused(void **state)
{
	char file[PATH_MAX], because[PATH_MAX + 60];

	(void)state;
	snprintf(file, sizeof(file), "%s/file", tree.root);
	close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	snprintf(because, sizeof(because), "serial:%s: it is a directory", tree.root);
	assert_refused(tree.root, because);
	assert_refused(file, "it is a file, not a serial device");
	assert_refused("ttyUSB-nowhere",
	               "the device is a path (/dev/ttyUSB0), an adapter's");
	assert_refused("", "the device is a path");
	assert_refused("0403:60011", "VID:PID[:SERIAL]");
}

static void bad_values_are_refused(void **state)
{
	(void)state;
	assert_refused("/dev/x:baudrate=0", "baudrate must be 1..");
	assert_refused("/dev/x:baudrate=fast", "baudrate must be 1..");
	assert_refused("/dev/x:bytesize=9", "bytesize must be 5..8");
	assert_refused("/dev/x:parity=both",
	               "parity must be one of none|odd|even|mark|space");
	assert_refused("/dev/x:stopbits=3", "stopbits must be 1..2");
	assert_refused("/dev/x:xonxoff=maybe", "xonxoff must be yes or no");
	assert_refused("/dev/x:dsrdtr=yes", "no DTR/DSR flow control");
	assert_refused("/dev/x:join=later", "join must be one of");
	assert_refused("/dev/x:exclude=ttyACM*", "exclude= belongs to serial:auto");
}

static int explain_open(const char *path, struct pl_error *err)
{
	struct pl_serial_port port;
	int code = pl_serial_open(&port, path, &plain, err);

	pl_serial_close(&port);
	return code;
}

static void a_device_that_is_no_tty_is_told(void **state)
{
	struct pl_error err;

	(void)state;
	assert_int_equal(explain_open("/dev/null", &err), -ENOTTY);
	assert_string_equal(err.text, "serial:/dev/null: it is not a serial device");
	assert_int_equal(explain_open("/dev/nowhere", &err), -ENOENT);
	assert_string_equal(err.text, "serial:/dev/nowhere: it is not there");
}

static void a_forbidden_device_names_the_group_to_join(void **state)
{
	const bool root = geteuid() == 0;
	const struct group *group = getgrnam("tty");
	struct pl_error err;
	struct stat st;
	char help[100];

	(void)state;
	plug(&cable);
	assert_non_null(group);
	if (root) /* else the system has given it a group that is not root's */
		assert_int_equal(chown(cable.name, (uid_t)-1, group->gr_gid), 0);
	assert_int_equal(stat(cable.name, &st), 0);
	group = getgrgid(st.st_gid);
	assert_non_null(group);
	snprintf(help, sizeof(help), "add yourself to %s (sudo usermod -aG %s $USER)",
	         group->gr_name, group->gr_name);
	assert_int_equal(chmod(cable.name, 0660), 0);
	pl_serial_explain(-EACCES, cable.name, &plain, &err);
	assert_non_null(strstr(err.text, help));
	/* Who may not either is no help, and nobody joins root. */
	assert_int_equal(chmod(cable.name, 0600), 0);
	pl_serial_explain(-EACCES, cable.name, &plain, &err);
	assert_null(strstr(err.text, "add yourself"));
	assert_non_null(strstr(err.text, "permission denied"));
	if (root) {
		assert_int_equal(chown(cable.name, (uid_t)-1, 0), 0);
		assert_int_equal(chmod(cable.name, 0660), 0);
		pl_serial_explain(-EACCES, cable.name, &plain, &err);
		assert_null(strstr(err.text, "add yourself"));
	}
}

static void a_second_opener_is_told_who_it_may_be(void **state)
{
	struct pl_serial_port port;
	struct pl_error err;

	(void)state;
	plug(&cable);
	assert_int_equal(pl_serial_open(&port, cable.name, &plain, &err), 0);
	assert_true(fcntl(port.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(explain_open(cable.name, &err), -EBUSY);
	assert_non_null(strstr(err.text, "ModemManager, a getty, or another partyline"));
	pl_serial_close(&port);
	assert_int_equal(explain_open(cable.name, &err), 0);
}

static void a_busy_device_is_tried_every_2_s(void **state)
{
	(void)state;
	plug(&cable);
	assert_int_equal(flock(cable.tty, LOCK_EX | LOCK_NB), 0);
	listen_on_device("");
	assert_int_equal(flock(cable.tty, LOCK_UN), 0);
	pl_world_advance(world, 1990);
	assert_string_equal(screen(&cable), "");
	pl_world_advance(world, 10);
	assert_string_equal(screen(&cable), INVITATION);
}

/* --- who joins --------------------------------------------------------------------------------- */

static void enter_joins_and_text_goes_both_ways(void **state)
{
	struct record *rec;

	(void)state;
	plug(&cable);
	listen_on_device("");
	assert_string_equal(screen(&cable), INVITATION);
	rec = join(&cable);
	record_print(rec, "welcome\r\n");
	type(&cable, "hello\r");
	assert_string_equal(record_log(rec), "made; data \"hello\\r\"");
	assert_string_equal(screen(&cable), INVITATION "welcome\r\n");
}

static void the_peer_is_a_terminal_with_its_device(void **state)
{
	const struct pl_peer *peer;

	(void)state;
	plug(&cable);
	listen_on_device("");
	peer = pl_transport_peer(join(&cable)->transport);
	assert_string_equal(peer->type, "serial");
	assert_string_equal(peer->name, device);
	assert_true(peer->terminal);
	assert_string_equal(pl_peer_fact(peer, "device"), cable.name);
	assert_null(pl_peer_fact(peer, "usb-serial"));
}

static void a_device_that_echoes_joins_nobody(void **state)
{
	(void)state;
	plug(&cable);
	listen_on_device("");
	pl_world_advance(world, 1000);
	type(&cable, screen(&cable));
	pl_world_advance(world, 1000);
	assert_int_equal(people.count, 0);
	assert_string_equal(screen(&cable), INVITATION);
}

static void noise_and_a_modem_join_nobody(void **state)
{
	(void)state;
	plug(&cable);
	listen_on_device("");
	pl_world_advance(world, 1000);
	type(&cable, "~\rAT S7=45 S0=0 L1 V1 X4 &c1 E1 Q0\r");
	pl_world_advance(world, 1000);
	type(&cable, "\r\nOK\r\n");
	pl_world_advance(world, 1000);
	send_bytes(&cable, "\0", 1);
	pl_world_advance(world, 1000);
	assert_int_equal(people.count, 0);
	assert_string_equal(screen(&cable), INVITATION);
}

static void join_open_joins_when_the_device_opens(void **state)
{
	(void)state;
	plug(&cable);
	listen_on_device(":join=open");
	assert_int_equal(people.count, 1);
	assert_string_equal(screen(&cable), "");
}

static void who_is_refused_is_invited_again(void **state)
{
	(void)state;
	people.refuse = true;
	plug(&cable);
	listen_on_device(":join=open");
	pl_world_advance(world, 5000);
	assert_int_equal(people.refused, 1);
	assert_string_equal(screen(&cable), INVITATION);
	people.refuse = false;
	join(&cable);
}

/* --- leaving -------------------------------------------------------------------------------------- */

static void exit_keeps_the_device_and_invites_again(void **state)
{
	struct record *rec;

	(void)state;
	plug(&cable);
	listen_on_device("");
	rec = join(&cable);
	clear(&cable);
	record_print(rec, "goodbye\r\n");
	record_lose(rec);
	pl_world_settle(world);
	pl_world_advance(world, 100);
	assert_string_equal(record_log(rec), "made; lost 0");
	assert_string_equal(screen(&cable), "goodbye\r\n" INVITATION);
	assert_true(is_open(&cable));
	rec = join(&cable);
	type(&cable, "again\r");
	assert_string_equal(record_log(rec), "made; data \"again\\r\"");
}

static void an_abort_invites_again_too(void **state)
{
	struct record *rec;

	(void)state;
	plug(&cable);
	listen_on_device("");
	rec = join(&cable);
	clear(&cable);
	record_abort(rec, -ETIMEDOUT);
	pl_world_advance(world, 1);
	assert_int_equal(rec->reason, -ETIMEDOUT);
	assert_string_equal(screen(&cable), INVITATION);
	join(&cable);
}

static void an_abort_may_come_while_the_farewell_is_on_its_way(void **state)
{
	struct record *rec;

	(void)state;
	plug(&cable);
	listen_on_device("");
	rec = join(&cable);
	record_print(rec, "goodbye\r\n");
	record_lose(rec);
	pl_reactor_turn(reactor, 0);
	assert_int_equal(record_queued(rec), 0);
	assert_false(rec->lost);
	record_abort(rec, -ECANCELED);
	pl_world_advance(world, 1000);
	assert_int_equal(rec->reason, -ECANCELED);
	join(&cable);
}

/* --- unplugging ------------------------------------------------------------------------------------ */

static void unplugging_ends_the_session_once_and_closes_at_once(void **state)
{
	struct record *rec;
	int before;

	(void)state;
	before = open_descriptors();
	plug(&cable);
	listen_on_device("");
	rec = join(&cable);
	unplug(&cable);
	pl_world_settle(world); /* would not end if the dead line were still polled */
	assert_true(open_descriptors() <= before);
	pl_world_advance(world, 120000);
	assert_int_equal(rec->reason, -ENODEV);
	assert_string_equal(record_log(rec), "made; lost -19");
	assert_int_equal(records_alive(&people), 0);
}

static void unplugging_while_nobody_is_there_is_noticed_too(void **state)
{
	(void)state;
	plug(&cable);
	listen_on_device("");
	pl_world_advance(world, 1000000);
	unplug(&cable);
	pl_world_advance(world, 1000);
	plug(&cable);
	pl_world_advance(world, 500);
	assert_string_equal(screen(&cable), INVITATION);
}

static void unplugging_while_the_reader_pauses_is_noticed_on_writing(void **state)
{
	struct record *rec;

	(void)state;
	plug(&cable);
	listen_on_device("");
	rec = join(&cable);
	record_pause(rec);
	unplug(&cable);
	pl_world_advance(world, 10);
	record_print(rec, "hello?\r\n");
	pl_world_advance(world, 10);
	assert_string_equal(record_log(rec), "made; lost -19");
}

static void a_line_that_comes_back_under_another_number_is_found(void **state)
{
	struct cable other;

	(void)state;
	plug(&cable);
	listen_on_device("");
	join(&cable);
	make_cable(&other); /* takes the next number */
	cut(&other);
	unplug(&cable);
	pl_world_advance(world, 10000);
	make_cable(&other); /* takes the old number, as another terminal would */
	plug(&cable);
	assert_string_not_equal(cable.name, other.name);
	pl_world_advance(world, 500);
	assert_string_equal(screen(&cable), INVITATION);
	assert_string_equal(screen(&other), "");
	join(&cable);
	cut(&other);
}

static void a_missing_device_is_waited_for(void **state)
{
	(void)state;
	listen_on_device("");
	pl_world_advance(world, 30000);
	plug(&cable);
	pl_world_advance(world, 500);
	assert_string_equal(screen(&cable), INVITATION);
}

static void after_a_minute_it_is_looked_for_every_2_s(void **state)
{
	(void)state;
	listen_on_device("");
	pl_world_advance(world, 60100);
	plug(&cable);
	pl_world_advance(world, 1800);
	assert_string_equal(screen(&cable), "");
	pl_world_advance(world, 200);
	assert_string_equal(screen(&cable), INVITATION);
}

static void each_piece_of_news_is_logged_once(void **state)
{
	(void)state;
	log_begin();
	listen_on_device("");
	pl_world_advance(world, 10000); /* missing */
	mkdir(device, 0700);
	pl_world_advance(world, 500); /* one such try may be an accident */
	rmdir(device);
	plug(&cable);
	pl_world_advance(world, 500);
	unplug(&cable);
	mkdir(device, 0700);
	pl_world_advance(world, 500); /* and again one */
	rmdir(device);
	pl_world_advance(world, 200000); /* missing again */
	mkdir(device, 0700);
	pl_world_advance(world, 2000);
	assert_int_equal(log_count("it is not there; trying again"), 1);
	assert_int_equal(log_count("is open"), 1);
	assert_int_equal(log_count("is gone, waiting for it"), 1);
	assert_int_equal(log_count("it is a directory"), 0);
	pl_world_advance(world, 20000);
	rmdir(device);
	plug(&cable);
	pl_world_advance(world, 2000);
	unplug(&cable);
	pl_world_advance(world, 10000);
	assert_int_equal(log_count("it is a directory"), 1);
	assert_int_equal(log_count("is open"), 2);
	assert_int_equal(log_count("is gone, waiting for it"), 2);
	assert_int_equal(log_count("it is not there"), 1);
	log_end();
}

/* --- slow lines -------------------------------------------------------------------------------------- */

static void a_line_that_takes_nothing_is_never_dropped(void **state)
{
	char line[1000];
	struct record *rec;

	(void)state;
	memset(line, 'x', sizeof(line));
	plug(&cable);
	listen_on_device(":baudrate=1200");
	rec = join(&cable);
	for (int i = 0; i < 1000; i++) {
		record_write(rec, line, sizeof(line));
		pl_world_settle(world);
	}
	assert_true(record_queued(rec) <= 4096);
	assert_true(pl_dropped(rec->transport) > 100);
	pl_world_advance(world, 24 * 3600 * 1000);
	assert_int_equal(records_alive(&people), 1);
}

static void what_the_line_takes_late_comes_whole_and_in_order(void **state)
{
	enum { LINES = 12000 };
	struct record *rec;
	char line[20];
	size_t at = 0;
	char *sent;

	(void)state;
	sent = calloc(LINES, 12);
	assert_non_null(sent);
	plug(&cable);
	listen_on_device("");
	rec = join(&cable);
	clear(&cable);
	for (int i = 0; i < LINES; i++) {
		snprintf(line, sizeof(line), "line %05d\r\n", i);
		memcpy(sent + 12 * i, line, 12);
		record_write(rec, line, 12);
	}
	while (at < 12 * LINES) {
		ssize_t n;

		pl_world_settle(world);
		assert_true(ready(cable.master));
		n = read(cable.master, cable.screen, sizeof(cable.screen));
		assert_true(n > 0);
		assert_memory_equal(cable.screen, sent + at, (size_t)n);
		at += (size_t)n;
	}
	free(sent);
	assert_int_equal(record_queued(rec), 0);
	cable.screen[0] = '\0';
	assert_int_equal(pl_dropped(rec->transport), 0);
}

static void what_is_queued_goes_out_before_a_session_ends(void **state)
{
	enum { BYTES = 150000 };
	struct record *rec;
	size_t got = 0;
	char *text;

	(void)state;
	text = malloc(BYTES);
	assert_non_null(text);
	memset(text, 'x', BYTES);
	plug(&cable);
	listen_on_device("");
	rec = join(&cable);
	clear(&cable);
	record_write(rec, text, BYTES);
	record_lose(rec);
	free(text);
	while (!strchr(cable.screen, '\n')) {
		pl_world_advance(world, 1);
		assert_true(ready(cable.master));
		cable.len = 0;
		receive(&cable);
		got += cable.len;
	}
	assert_int_equal(got, BYTES + strlen(INVITATION));
	assert_string_equal(record_log(rec), "made; lost 0");
}

static void a_paused_reader_gets_it_later(void **state)
{
	struct record *rec;

	(void)state;
	plug(&cable);
	listen_on_device("");
	rec = join(&cable);
	record_pause(rec);
	type(&cable, "held");
	assert_string_equal(record_log(rec), "made");
	record_resume(rec);
	pl_world_settle(world);
	assert_string_equal(record_log(rec), "made; data \"held\"");
}

/* Writes until the kernel takes no more, and reads it all at the other end. */
static void fill(struct record *rec)
{
	char line[1000];

	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 1000 && record_queued(rec) < 100000; i++) {
		record_write(rec, line, sizeof(line));
		pl_world_settle(world);
	}
	assert_true(record_queued(rec) >= 100000);
}

static void drain(struct record *rec)
{
	while (record_queued(rec) > 0) {
		assert_true(ready(cable.master));
		assert_true(read(cable.master, cable.screen, sizeof(cable.screen)) > 0);
		pl_world_settle(world);
	}
}

static void a_paused_reader_of_a_full_line_gets_it_later_too(void **state)
{
	struct record *rec;

	(void)state;
	plug(&cable);
	listen_on_device("");
	rec = join(&cable);
	fill(rec);
	record_pause(rec);
	type(&cable, "held");
	drain(rec);
	assert_string_equal(record_log(rec), "made; pause; resume");
	record_resume(rec);
	pl_world_settle(world);
	assert_string_equal(record_log(rec), "made; pause; resume; data \"held\"");
}

static void end_it_all(struct record *rec)
{
	pl_port_stop(rec->arg);
	record_abort(rec, 0);
}

static void a_session_may_end_when_it_may_write_again(void **state)
{
	struct record *rec;

	(void)state;
	people.hooks.resume = end_it_all;
	plug(&cable);
	people.arg = listen_on_device("");
	rec = join(&cable);
	fill(rec);
	type(&cable, "there is also something to read");
	drain(rec);
	pl_world_settle(world);
	assert_true(rec->lost);
	assert_false(is_open(&cable));
}

/* --- stopping -------------------------------------------------------------------------------------- */

static void a_stopped_port_gives_its_device_back(void **state)
{
	struct pl_port *port;

	(void)state;
	plug(&cable);
	port = listen_on_device("");
	assert_true(is_open(&cable));
	pl_port_stop(port);
	pl_world_settle(world);
	assert_false(is_open(&cable));
	clear(&cable);
	assert_int_equal(write(cable.master, "\r", 1), 1);
	pl_world_advance(world, 10000);
	assert_int_equal(people.count, 0);
	assert_string_equal(screen(&cable), "");
}

static void a_session_outlives_its_port(void **state)
{
	struct record *rec;
	struct pl_port *port;

	(void)state;
	plug(&cable);
	port = listen_on_device("");
	rec = join(&cable);
	clear(&cable);
	pl_port_stop(port);
	pl_world_advance(world, 10000);
	type(&cable, "still here\r");
	assert_string_equal(record_log(rec), "made; data \"still here\\r\"");
	record_print(rec, "goodbye\r\n");
	record_lose(rec);
	pl_world_advance(world, 1000);
	assert_int_equal(records_alive(&people), 0);
	assert_false(is_open(&cable));
	assert_string_equal(screen(&cable), "goodbye\r\n"); /* and no invitation */
}

static void a_port_can_stop_while_its_device_is_missing(void **state)
{
	struct pl_port *port;

	(void)state;
	port = listen_on_device("");
	pl_port_stop(port);
	plug(&cable);
	pl_world_advance(world, 10000);
	assert_false(is_open(&cable));
}

static void a_session_of_a_stopped_port_ends_with_its_device(void **state)
{
	struct record *rec;
	struct pl_port *port;

	(void)state;
	plug(&cable);
	port = listen_on_device("");
	rec = join(&cable);
	pl_port_stop(port);
	unplug(&cable);
	pl_world_advance(world, 1);
	assert_string_equal(record_log(rec), "made; lost -19");
	plug(&cable);
	pl_world_advance(world, 10000);
	assert_false(is_open(&cable));
}

static void the_first_thing_a_protocol_does_may_be_to_end_it_all(void **state)
{
	struct pl_port *port;

	(void)state;
	plug(&cable);
	port = listen_on_device("");
	people.hooks.made = end_it_all;
	people.arg = port;
	join(&cable);
	pl_world_advance(world, 1);
	assert_string_equal(record_log(records_newest(&people)), "made; lost 0");
	assert_false(is_open(&cable));
}

static void stop_in_data(struct record *rec, const char *data PL_UNUSED,
                         size_t len PL_UNUSED)
{
	end_it_all(rec);
}

static void or_the_second(void **state)
{
	struct pl_port *port;

	(void)state;
	plug(&cable);
	port = listen_on_device("");
	people.hooks.data = stop_in_data;
	people.arg = port;
	join(&cable);
	type(&cable, "bye\r");
	pl_world_advance(world, 1);
	assert_string_equal(record_log(records_newest(&people)),
	                    "made; data \"bye\\r\"; lost 0");
	assert_false(is_open(&cable));
}

static void a_port_says_where_and_how(void **state)
{
	struct pl_error err;
	struct pl_port *port, *again;

	(void)state;
	plug(&cable);
	port = listen_on_device(":baudrate=9600");
	assert_string_equal(pl_port_type(port), "serial");
	assert_string_equal(pl_port_place(port), device);
	assert_string_equal(pl_port_command(port), "screen DEVICE 9600");
	assert_string_equal(pl_port_remark(port), "at the other end of the cable");
	again = listen_with(pl_port_name(port) + strlen("serial:"), &err);
	assert_non_null(again);
	assert_string_equal(pl_port_name(again), pl_port_name(port));
}

/* --- carrier ----------------------------------------------------------------------------------------- */

static void with_carrier_the_session_lasts_as_long_as_it(void **state)
{
	struct record *rec;

	(void)state;
	ptymodem_lines = 0;
	plug(&cable);
	listen_on_device(":carrier=yes");
	pl_world_advance(world, 5000);
	assert_string_equal(screen(&cable), "");
	ptymodem_lines = TIOCM_CD;
	pl_world_advance(world, 1000);
	assert_string_equal(screen(&cable), INVITATION);
	rec = join(&cable);
	clear(&cable);
	ptymodem_lines = 0;
	pl_world_advance(world, 1001);
	assert_string_equal(record_log(rec), "made; lost 0");
	pl_world_advance(world, 5000);
	type(&cable, "\r");
	pl_world_advance(world, 5000);
	assert_int_equal(people.count, 1);
	assert_string_equal(screen(&cable), "");
	ptymodem_lines = TIOCM_CD;
	pl_world_advance(world, 1000);
	assert_string_equal(screen(&cable), INVITATION);
	/* It falls while Enter is being waited for. */
	ptymodem_lines = 0;
	pl_world_advance(world, 1000);
	type(&cable, "\r");
	pl_world_advance(world, 500);
	assert_int_equal(people.count, 1);
	ptymodem_lines = TIOCM_CD;
	pl_world_advance(world, 1000);
	join(&cable);
}

static void without_carrier_lines_do_not_matter(void **state)
{
	struct record *rec;

	(void)state;
	plug(&cable);
	listen_on_device("");
	rec = join(&cable);
	ptymodem_lines = 0;
	pl_world_advance(world, 60000);
	assert_string_equal(record_log(rec), "made");
}

static void carrier_needs_a_carrier_line(void **state)
{
	struct pl_serial_settings wish = plain;
	struct pl_serial_port port;
	struct pl_error err;

	(void)state;
	plug(&cable);
	ptymodem_off = true;
	wish.carrier = true;
	assert_int_equal(pl_serial_open(&port, cable.name, &wish, &err), -ENOTTY);
	assert_non_null(
		strstr(err.text, "it has no carrier line, so carrier=yes cannot work"));
	assert_false(is_open(&cable));
}

/* --- by USB ----------------------------------------------------------------------------------------- */

static void an_adapter_is_found_wherever_it_is_plugged_in(void **state)
{
	const struct pl_peer *peer;
	struct pl_error err;

	(void)state;
	assert_non_null(listen_with("0403:6001:A1B2", &err));
	make_cable(&cable);
	usbtree_plug(&tree, "ttyUSB0", "0403:6001:OTHER", cable.name);
	pl_world_advance(world, 1000);
	assert_false(is_open(&cable));
	usbtree_plug(&tree, "ttyUSB7", "0403:6001:A1B2", cable.name);
	pl_world_advance(world, 500);
	assert_string_equal(screen(&cable), INVITATION);
	peer = pl_transport_peer(join(&cable)->transport);
	assert_string_equal(peer->name, "0403:6001:A1B2");
	assert_string_equal(pl_peer_fact(peer, "device"), cable.name);
	assert_string_equal(pl_peer_fact(peer, "usb-serial"), "A1B2");
	cut(&cable);
	usbtree_unplug(&tree, "ttyUSB7");
	pl_world_advance(world, 1000);
	make_cable(&cable);
	usbtree_plug(&tree, "ttyACM1", "0403:6001:A1B2", cable.name);
	pl_world_advance(world, 500);
	join(&cable);
}

static void auto_takes_every_adapter_there_is_and_every_one_that_comes(void **state)
{
	struct cable other, third;
	struct pl_error err;
	struct record *rec;
	struct pl_port *port;

	(void)state;
	make_cable(&cable);
	make_cable(&other);
	make_cable(&third);
	usbtree_add_builtin(&tree, "ttyS0");
	usbtree_plug(&tree, "ttyUSB0", "0403:6001", cable.name);
	port = listen_with("auto", &err);
	assert_non_null(port);
	assert_string_equal(pl_port_place(port), "every USB serial port");
	pl_world_advance(world, 1);
	assert_string_equal(screen(&cable), INVITATION);
	pl_world_advance(world, 10000);
	usbtree_plug(&tree, "ttyACM0", "2341:0043:X9", other.name);
	pl_world_advance(world, 1000);
	assert_string_equal(screen(&other), INVITATION);
	rec = join(&other);
	assert_non_null(strstr(pl_transport_peer(rec->transport)->name, "/dev/ttyACM0"));
	join(&cable);
	assert_int_equal(records_alive(&people), 2);
	/* One goes: the other does not notice. */
	cut(&other);
	usbtree_unplug(&tree, "ttyACM0");
	pl_world_advance(world, 5000);
	assert_string_equal(record_log(rec), "made; lost -19");
	assert_int_equal(records_alive(&people), 1);
	/* Another comes under the old name. */
	usbtree_plug(&tree, "ttyACM0", "10c4:ea60", third.name);
	pl_world_advance(world, 1000);
	assert_string_equal(screen(&third), INVITATION);
	join(&third);
	assert_int_equal(records_alive(&people), 2);
	cut(&third);
}

static void an_adapter_that_sysfs_has_no_more_is_let_go(void **state)
{
	struct pl_error err;
	struct record *rec;

	(void)state;
	make_cable(&cable);
	usbtree_plug(&tree, "ttyUSB0", "0403:6001", cable.name);
	assert_non_null(listen_with("auto", &err));
	pl_world_advance(world, 1);
	rec = join(&cable);
	usbtree_unplug(&tree, "ttyUSB0"); /* the hang-up is still to come */
	pl_world_advance(world, 1001);
	assert_string_equal(record_log(rec), "made; lost -19");
	assert_false(is_open(&cable));
}

static void auto_leaves_out_what_is_excluded(void **state)
{
	struct cable other;
	struct pl_error err;

	(void)state;
	make_cable(&cable);
	make_cable(&other);
	usbtree_plug(&tree, "ttyUSB0", "0403:6001:A", cable.name);
	usbtree_plug(&tree, "ttyUSB1", "0403:6001:B", other.name);
	assert_non_null(listen_with("auto:exclude=1a86:7523,0403:6001:A", &err));
	pl_world_advance(world, 5000);
	assert_false(is_open(&cable));
	assert_true(is_open(&other));
	cut(&other);
}

static void auto_can_stop_with_and_without_adapters(void **state)
{
	struct cable other;
	struct pl_error err;
	struct pl_port *port;

	(void)state;
	port = listen_with("auto", &err);
	pl_world_advance(world, 5000);
	pl_port_stop(port);
	pl_world_settle(world);
	make_cable(&cable);
	usbtree_plug(&tree, "ttyUSB0", "0403:6001", cable.name);
	port = listen_with("auto", &err);
	pl_world_advance(world, 1);
	assert_true(is_open(&cable));
	join(&cable);
	make_cable(&other);
	usbtree_plug(&tree, "ttyUSB1", "0403:6001", other.name);
	pl_world_advance(world, 1000);
	assert_true(is_open(&other));
	pl_port_stop(port);
	pl_world_advance(world, 5000);
	assert_true(is_open(&cable));
	assert_false(is_open(&other));
	record_lose(records_newest(&people));
	pl_world_advance(world, 5000);
	assert_false(is_open(&cable));
	cut(&other);
}

/* --- in earnest: with threads, and a clock that runs ----------------------------------------------- */

static bool somebody_is_there(void *arg PL_UNUSED)
{
	return records_alive(&people) == 1;
}

static bool nobody_is_there(void *arg PL_UNUSED)
{
	return records_alive(&people) == 0;
}

static void a_line_opens_and_closes_on_its_thread(void **state)
{
	struct pl_reactor *r = pl_reactor_create(NULL);
	(void)state;
	assert_non_null(r);
	plug(&cable);
	assert_non_null(listen_in_earnest(r, ""));
	assert_false(is_open(&cable));
	assert_true(turn_until(r, is_invited, &cable));
	pl_reactor_destroy(r);
	assert_true(is_given_back(&cable));
}

static void unplugged_and_back_in_earnest(void **state)
{
	struct pl_reactor *r = pl_reactor_create(NULL);
	(void)state;
	assert_non_null(r);
	plug(&cable);
	assert_non_null(listen_in_earnest(r, ":join=open:carrier=yes"));
	assert_true(turn_until(r, somebody_is_there, NULL));
	unplug(&cable);
	assert_true(turn_until(r, nobody_is_there, NULL));
	plug(&cable);
	assert_true(turn_until(r, somebody_is_there, NULL));
	pl_reactor_destroy(r);
	assert_true(is_given_back(&cable));
}

static void stopping_while_the_thread_opens_leaves_nothing_open(void **state)
{
	(void)state;
	plug(&cable);
	for (int i = 0; i < 50; i++) {
		struct pl_reactor *r = pl_reactor_create(NULL);
		struct pl_port *port;

		assert_non_null(r);
		port = listen_in_earnest(r, "");
		assert_non_null(port);
		pl_reactor_turn(r, 10);
		if (i % 2)
			pl_port_stop(port);
		for (int turns = 0; turns < i % 3; turns++)
			pl_reactor_turn(r, 0);
		pl_reactor_destroy(r);
		assert_true(is_given_back(&cable));
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_line_is_115200_8n1_raw_and_without_flow_control),
		TEST(every_setting_reaches_the_line),
		TEST(any_speed_can_be_had),
		TEST(a_tty_without_modem_lines_is_opened_all_the_same),
		TEST(it_works_and_has_the_same_settings),
		TEST(there_only_common_speeds_can_be_had),
		TEST(what_can_never_be_a_device_is_refused),
		TEST(bad_values_are_refused),
		TEST(a_device_that_is_no_tty_is_told),
		TEST(a_forbidden_device_names_the_group_to_join),
		TEST(a_second_opener_is_told_who_it_may_be),
		TEST(a_busy_device_is_tried_every_2_s),
		TEST(enter_joins_and_text_goes_both_ways),
		TEST(the_peer_is_a_terminal_with_its_device),
		TEST(a_device_that_echoes_joins_nobody),
		TEST(noise_and_a_modem_join_nobody),
		TEST(join_open_joins_when_the_device_opens),
		TEST(who_is_refused_is_invited_again),
		TEST(exit_keeps_the_device_and_invites_again),
		TEST(an_abort_invites_again_too),
		TEST(an_abort_may_come_while_the_farewell_is_on_its_way),
		TEST(unplugging_ends_the_session_once_and_closes_at_once),
		TEST(unplugging_while_nobody_is_there_is_noticed_too),
		TEST(unplugging_while_the_reader_pauses_is_noticed_on_writing),
		TEST(a_line_that_comes_back_under_another_number_is_found),
		TEST(a_missing_device_is_waited_for),
		TEST(after_a_minute_it_is_looked_for_every_2_s),
		TEST(each_piece_of_news_is_logged_once),
		TEST(a_line_that_takes_nothing_is_never_dropped),
		TEST(what_the_line_takes_late_comes_whole_and_in_order),
		TEST(what_is_queued_goes_out_before_a_session_ends),
		TEST(a_paused_reader_gets_it_later),
		TEST(a_paused_reader_of_a_full_line_gets_it_later_too),
		TEST(a_session_may_end_when_it_may_write_again),
		TEST(a_stopped_port_gives_its_device_back),
		TEST(a_session_outlives_its_port),
		TEST(a_port_can_stop_while_its_device_is_missing),
		TEST(a_session_of_a_stopped_port_ends_with_its_device),
		TEST(the_first_thing_a_protocol_does_may_be_to_end_it_all),
		TEST(or_the_second),
		TEST(a_port_says_where_and_how),
		TEST(with_carrier_the_session_lasts_as_long_as_it),
		TEST(without_carrier_lines_do_not_matter),
		TEST(carrier_needs_a_carrier_line),
		TEST(an_adapter_is_found_wherever_it_is_plugged_in),
		TEST(auto_takes_every_adapter_there_is_and_every_one_that_comes),
		TEST(an_adapter_that_sysfs_has_no_more_is_let_go),
		TEST(auto_leaves_out_what_is_excluded),
		TEST(auto_can_stop_with_and_without_adapters),
		TEST(a_line_opens_and_closes_on_its_thread),
		TEST(unplugged_and_back_in_earnest),
		TEST(stopping_while_the_thread_opens_leaves_nothing_open),
	};

	return cmocka_run_group_tests(tests, count_threads, NULL);
}
