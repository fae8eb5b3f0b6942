// SPDX-License-Identifier: Apache-2.0
#include "forwarder/situation.h"
#include <stdio.h>
#include <string.h>
#include "lib/util.h"

static const struct situation_words words[SITUATION_MAX] = {
	[SITUATION_NO_ADDRESS] = {"no_address", "the name of its host has no address",
				  "check the host in url, and what this host's resolver says of it"},
	[SITUATION_PROXY_NO_ADDRESS] = {"proxy_no_address", "the name of the proxy has no address",
					"check proxy, and what this host's resolver says of it"},
	[SITUATION_PROXY_REFUSED] = {"proxy_refused", "the proxy does not connect us to it",
				     "have the proxy allow the host and port of url, or leave proxy out"},
	[SITUATION_NO_CONNECTION] = {"no_connection", "no connection to it",
				     "does it run, at the host and port of url, and is no firewall between?"},
	[SITUATION_SLOW] = {"slow", "it did not answer in time",
			    "is it overloaded, or a firewall between? timeout_ms says how long picket waits"},
	[SITUATION_TLS_EXPIRED] = {"tls_expired", "its certificate has expired",
				   "have it renewed at the gateway"},
	[SITUATION_TLS_NOT_YET] = {"tls_not_yet", "its certificate is not valid yet",
				   "compare the clocks of both hosts"},
	[SITUATION_TLS_NAME] = {"tls_name", "its certificate is for another name",
				"write a name that the certificate has into url, or have one issued for the "
				"host in url"},
	[SITUATION_TLS_UNTRUSTED] = {"tls_untrusted", "nobody known here vouches for its certificate",
				     "set ca_file to the certificate of its authority"},
	[SITUATION_TLS_PIN] =
		{"tls_pin", "its public key is not the pinned one",
		 "if it was changed on purpose, set pin to the new one; else somebody is between"},
	[SITUATION_TLS_NONE] = {"tls_none", "it does not speak TLS at that port",
				"url should begin with http://, or have another port"},
	[SITUATION_TLS_NO_SYSTEM] = {"tls_no_system", "this host knows no authorities of its own",
				     "install ca-certificates, or set ca_file"},
	[SITUATION_TLS_CA] = {"tls_ca", "ca_file holds no certificate", "it must be PEM"},
	[SITUATION_TLS] = {"tls", "TLS was not agreed on", "picket speaks TLS 1.2 and newer"},
	[SITUATION_NO_HTTP] = {"no_http", "what answers there speaks no HTTP", "check host and port of url"},
	[SITUATION_BROKEN] = {"broken", "the connection ended before the answer was whole",
			      "its log may say why; picket sends the batch again"},
	[SITUATION_CLIENT_WANTED] = {"client_wanted", "it wants a client certificate",
				     "set cert_file and key_file"},
	[SITUATION_CLIENT_REFUSED] =
		{"client_refused", "it does not accept our client certificate",
		 "have cert_file issued by an authority that it knows; is it still valid?"},
	[SITUATION_TLS_EXPECTED] = {"tls_expected", "it wants TLS at that port",
				    "url should begin with https://"},
	[SITUATION_REDIRECT] = {"redirect", "redirects are not followed", "set url to the final address"},
	[SITUATION_TOKEN] = {"token", "the gateway wants another token",
			     "see token_file, auth_header and auth_scheme"},
	[SITUATION_FORBIDDEN] = {"forbidden", "the gateway knows the token but does not allow this",
				 "have its owner allowed, or subscribed, at the gateway"},
	[SITUATION_NOT_FOUND] = {"not_found", "nothing takes events at this url", "check the path in url"},
	[SITUATION_GAVE_UP] = {"gave_up", "the gateway gave up waiting for us",
			       "picket sends the batch again"},
	[SITUATION_TOO_MUCH] = {"too_much", "the batch is too large for it",
				"lower batch_events or batch_bytes"},
	[SITUATION_CONTENT_TYPE] = {"content_type", "it does not take application/cloudevents-batch+json",
				    "is url that of a gateway that speaks the protocol batch?"},
	[SITUATION_SLOW_DOWN] = {"slow_down", "it asks us to slow down",
				 "raise batch_events and linger_ms, or picket's quota at the gateway"},
	[SITUATION_FAILED] = {"failed", "the gateway failed",
			      "its log should say why; picket sends the batch again"},
	[SITUATION_REFUSED] = {"refused", "the gateway does not accept the batch", "its log should say why"},
	[SITUATION_TOO_LONG] = {"too_long", "its answer is too long",
				"256 KiB are read: it should give its verdicts in several answers"},
	[SITUATION_WEB_PAGE] = {"web_page", "a web page answers, and no gateway",
				"url may be that of a console or portal: set it to what takes events"},
	[SITUATION_ERROR_INSIDE] = {"error_inside", "it says success, but its answer is an error",
				    "what the answer says is the gateway's to mend"},
	[SITUATION_NO_VERDICTS] =
		{"no_verdicts", "its answer is no list of verdicts",
		 "docs/gateway-batch.md has the form; verdicts: false if nothing is to be read"},
	[SITUATION_SOME_REFUSED] = {"some_refused", "some of its verdicts cannot be used",
				    "docs/gateway-batch.md explains the reasons"},
	[SITUATION_TAKEN] = {"taken", "it took the batch", ""},
};

/*
 * Which situation an exchange is; the first row that fits. says: a text in libcurl's message or, where there
 * is a status, in the body. Bodies are known of nginx, which explains a client certificate nowhere else.
 */
static const struct row {
	CURLcode error; /* CURLE_OK: an answer came */
	unsigned low, high;
	const char *says;
	enum situation situation;
} rows[] = {
	{CURLE_COULDNT_RESOLVE_HOST, 0, 0, NULL, SITUATION_NO_ADDRESS},
	{CURLE_COULDNT_RESOLVE_PROXY, 0, 0, NULL, SITUATION_PROXY_NO_ADDRESS},
	{CURLE_PROXY, 0, 0, NULL, SITUATION_PROXY_REFUSED},
	{CURLE_COULDNT_CONNECT, 0, 0, "CONNECT tunnel failed", SITUATION_PROXY_REFUSED},
	{CURLE_RECV_ERROR, 0, 0, "CONNECT", SITUATION_PROXY_REFUSED},
	{CURLE_COULDNT_CONNECT, 0, 0, NULL, SITUATION_NO_CONNECTION},
	{CURLE_OPERATION_TIMEDOUT, 0, 0, NULL, SITUATION_SLOW},
	{CURLE_PEER_FAILED_VERIFICATION, 0, 0, "has expired", SITUATION_TLS_EXPIRED},
	{CURLE_PEER_FAILED_VERIFICATION, 0, 0, "not yet valid", SITUATION_TLS_NOT_YET},
	{CURLE_PEER_FAILED_VERIFICATION, 0, 0, "name", SITUATION_TLS_NAME},
	{CURLE_PEER_FAILED_VERIFICATION, 0, 0, NULL, SITUATION_TLS_UNTRUSTED},
	{CURLE_SSL_PINNEDPUBKEYNOTMATCH, 0, 0, NULL, SITUATION_TLS_PIN},
	{CURLE_SSL_CACERT_BADFILE, 0, 0, "blob", SITUATION_TLS_CA}, /* ca_file is given as one */
	{CURLE_SSL_CACERT_BADFILE, 0, 0, NULL, SITUATION_TLS_NO_SYSTEM},
	{CURLE_SSL_CONNECT_ERROR, 0, 0, "wrong version number", SITUATION_TLS_NONE},
	{CURLE_SSL_CONNECT_ERROR, 0, 0, "packet length too long", SITUATION_TLS_NONE},
	{CURLE_SSL_CONNECT_ERROR, 0, 0, "certificate required", SITUATION_CLIENT_WANTED},
	{CURLE_SSL_CONNECT_ERROR, 0, 0, "alert", SITUATION_CLIENT_REFUSED},
	{CURLE_SSL_CONNECT_ERROR, 0, 0, NULL, SITUATION_TLS},
	/* In TLS 1.3 a client's certificate is judged after the handshake, as the client sees it. */
	{CURLE_RECV_ERROR, 0, 0, "certificate required", SITUATION_CLIENT_WANTED},
	{CURLE_RECV_ERROR, 0, 0, "alert", SITUATION_CLIENT_REFUSED},
	{CURLE_SEND_ERROR, 0, 0, "certificate required", SITUATION_CLIENT_WANTED},
	{CURLE_UNSUPPORTED_PROTOCOL, 0, 0, NULL, SITUATION_NO_HTTP},
	{CURLE_WEIRD_SERVER_REPLY, 0, 0, NULL, SITUATION_NO_HTTP},
	{CURLE_OK, 200, 299, NULL, SITUATION_TAKEN},
	{CURLE_OK, 300, 399, NULL, SITUATION_REDIRECT},
	{CURLE_OK, 400, 400, "No required SSL certificate was sent", SITUATION_CLIENT_WANTED},
	{CURLE_OK, 400, 400, "The SSL certificate error", SITUATION_CLIENT_REFUSED},
	{CURLE_OK, 400, 400, "plain HTTP request was sent to HTTPS port", SITUATION_TLS_EXPECTED},
	{CURLE_OK, 401, 401, NULL, SITUATION_TOKEN},
	{CURLE_OK, 403, 403, NULL, SITUATION_FORBIDDEN},
	{CURLE_OK, 404, 405, NULL, SITUATION_NOT_FOUND},
	{CURLE_OK, 408, 408, NULL, SITUATION_GAVE_UP},
	{CURLE_OK, 413, 413, NULL, SITUATION_TOO_MUCH},
	{CURLE_OK, 415, 415, NULL, SITUATION_CONTENT_TYPE},
	{CURLE_OK, 429, 429, NULL, SITUATION_SLOW_DOWN},
	{CURLE_OK, 500, 999, NULL, SITUATION_FAILED},
	{CURLE_OK, 0, 999, NULL, SITUATION_REFUSED},
};

static bool holds(struct span text, const char *part)
{
	return text.len && memmem(text.ptr, text.len, part, strlen(part));
}

enum situation situation_of(const struct transport_answer *a)
{
	struct span text = a->error != CURLE_OK ? span_from(a->error_text) : a->body;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		if (r->error != a->error ||
		    (a->error == CURLE_OK && (a->status < r->low || a->status > r->high)))
			continue;
		if (!r->says || holds(text, r->says))
			return r->situation;
	}
	return SITUATION_BROKEN;
}

enum situation situation_of_body(struct span body, int fault, const uint64_t refused[static VERDICT_E_MAX])
{
	struct span text = body;

	while (text.len && strchr(" \t\r\n", *text.ptr))
		text = (struct span){text.ptr + 1, text.len - 1};
	if (fault && text.len && *text.ptr == '<')
		return SITUATION_WEB_PAGE;
	if (fault)
		return fault == VERDICT_E_SHAPE && holds(text, "\"error\"") ? SITUATION_ERROR_INSIDE
									    : SITUATION_NO_VERDICTS;
	for (unsigned e = 1; e < VERDICT_E_MAX; e++)
		if (refused[e])
			return SITUATION_SOME_REFUSED;
	return SITUATION_TAKEN;
}

const struct situation_words *situation_words(enum situation s)
{
	return &words[s];
}

void situation_print(const struct transport_answer *a, char *ret, size_t size)
{
	const struct situation_words *w = situation_words(situation_of(a));
	const char *colon = *w->mend ? ": " : "";

	if (a->error == CURLE_OK)
		snprintf(ret, size, "HTTP %u: %s%s%s", a->status, w->what, colon, w->mend);
	else
		snprintf(ret, size, "%s (%.160s)%s%s", w->what, a->error_text, colon, w->mend);
}
