// SPDX-License-Identifier: Apache-2.0
#include "sensor/top_screen.h"
#include <curses.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "lib/util.h"

#define PAIR_ALERT 1

/* What ends the process without a chance to end the screen. */
static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
static const int asks_to_end[] = {SIGINT, SIGTERM, SIGHUP};

static struct {
	SCREEN *screen;
	bool color;
	int row; /* of the next line */
	struct termios before;
	char leave[128]; /* what the terminal leaves this mode by, and shows its cursor */
	size_t leave_len;
	struct sigaction fatal_before[ARRAY_SIZE(fatal)];
} top;

static volatile sig_atomic_t ended;

/* --- signals --- */

static void on_end(int signal)
{
	(void)signal;
	ended = 1;
}

/* Only what a handler may call: curses may be in the middle of something. */
static void on_fatal(int signal)
{
	ssize_t written = write(STDOUT_FILENO, top.leave, top.leave_len);

	(void)written;
	tcsetattr(STDIN_FILENO, TCSANOW, &top.before);
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &top.fatal_before[i], NULL);
	raise(signal);
}

static void append_capability(const char *name)
{
	const char *text = tigetstr(name);

	if (!text || text == (const char *)-1 || top.leave_len + strlen(text) > sizeof top.leave)
		return;
	memcpy(top.leave + top.leave_len, text, strlen(text));
	top.leave_len += strlen(text);
}

static void signals_begin(void)
{
	struct sigaction end = {.sa_handler = on_end}, die = {.sa_handler = on_fatal};

	ended = 0;
	top.leave_len = 0;
	append_capability("rmcup");
	append_capability("cnorm");
	for (size_t i = 0; i < ARRAY_SIZE(asks_to_end); i++)
		sigaction(asks_to_end[i], &end, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &die, &top.fatal_before[i]);
}

static void signals_end(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &top.fatal_before[i], NULL);
}

bool top_screen_ended(void)
{
	return ended;
}

/* --- begin and end --- */

int top_screen_begin(bool color)
{
	tcgetattr(STDIN_FILENO, &top.before);
	top.screen = newterm(NULL, stdout, stdin);
	if (!top.screen)
		return TOP_SCREEN_E_TERMINAL;
	signals_begin();
	cbreak();
	noecho();
	keypad(stdscr, true);
	curs_set(0);
	top.color = color && has_colors() && start_color() == OK && use_default_colors() == OK &&
		    init_pair(PAIR_ALERT, COLOR_RED, -1) == OK;
	return 0;
}

void top_screen_end(void)
{
	endwin();
	signals_end();
	delscreen(top.screen);
	top.screen = NULL;
}

void top_screen_leave(void)
{
	def_prog_mode();
	endwin();
}

void top_screen_return(void)
{
	reset_prog_mode();
	clearok(stdscr, true);
}

/* --- lines and keys --- */

void top_screen_size(unsigned *ret_rows, unsigned *ret_columns)
{
	int rows, columns;

	getmaxyx(stdscr, rows, columns);
	*ret_rows = (unsigned)MAX(rows, 1);
	*ret_columns = (unsigned)MAX(columns, 1);
}

void top_screen_draw(void)
{
	erase();
	top.row = 0;
}

static attr_t attributes_of(enum top_look look)
{
	switch (look) {
	case TOP_HEAD:
		return A_BOLD;
	case TOP_SELECTED:
		return A_REVERSE;
	case TOP_ALERT:
		return A_BOLD | (top.color ? (attr_t)COLOR_PAIR(PAIR_ALERT) : 0);
	case TOP_PLAIN:
		break;
	}
	return A_NORMAL;
}

static void put_line(int row, attr_t attributes, struct span line)
{
	attrset(attributes);
	mvaddnstr(row, 0, line.ptr, (int)MIN(line.len, (size_t)COLS));
	attrset(A_NORMAL);
}

void top_screen_line(void *arg, enum top_look look, struct span line)
{
	(void)arg;
	if (top.row < LINES - 1)
		put_line(top.row++, attributes_of(look), line);
}

void top_screen_show(const char *foot)
{
	put_line(LINES - 1, A_BOLD, span_from(foot));
	refresh();
}

/* A terminal that is gone answers at once, and would be asked without end. */
static int no_key(void)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};

	if (poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR | POLLNVAL))
		ended = 1;
	return TOP_KEY_NONE;
}

int top_screen_key(int timeout_ms)
{
	timeout(timeout_ms);
	int key = getch();

	switch (key) {
	case ERR:
		return no_key();
	case KEY_UP:
		return TOP_KEY_UP;
	case KEY_DOWN:
		return TOP_KEY_DOWN;
	default:
		return key < TOP_KEY_UP ? key : TOP_KEY_OTHER;
	}
}
