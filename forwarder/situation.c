// SPDX-License-Identifier: Apache-2.0
#include "forwarder/situation.h"
#include <stdio.h>
#include <string.h>
#include "forwarder/http_field.h"
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
	[SITUATION_LUNAR_NO_HOST] =
		{"lunar_no_host", "the Lunar proxy was not told where to send it",
		 "something in front of it takes x-lunar-host away, or it is set to find hosts "
		 "by query parameters (LUNAR_REDIRECTION_BY_QUERY_PARAMS)"},
	[SITUATION_LUNAR_UNREACHABLE] = {"lunar_unreachable", "the Lunar proxy does not reach the gateway",
					 "does it run, at the host and port of url, and may the proxy's host "
					 "connect to it?"},
	[SITUATION_LUNAR_TIMEOUT] = {"lunar_timeout", "the Lunar proxy waited too long for the gateway",
				     "is the gateway overloaded? picket sends the batch again"},
	[SITUATION_LUNAR_NO_ENDPOINT] = {"lunar_no_endpoint", "the Lunar proxy knows no such endpoint",
					 "check the host and path in url, and the flows of the proxy"},
	[SITUATION_LUNAR_UNRESOLVED] = {"lunar_unresolved",
					"the Lunar proxy finds no address for the host in url",
					"it asks its DNS server for IPv4 only: no literal address and no "
					"name of /etc/hosts will do"},
	[SITUATION_LUNAR_NOT_ALLOWED] =
		{"lunar_not_allowed", "the Lunar proxy may not send to the host in url",
		 "see allowed_domains and blocked_domains in its gateway_config.yaml"},
	[SITUATION_HAPROXY_DENIED] =
		{"haproxy_denied", "an HAProxy on the way does not let it through",
		 "Lunar's is one: see allowed_domains and blocked_domains in its gateway_config.yaml"},
	[SITUATION_LUNAR_ENDING] = {"lunar_ending", "the Lunar proxy is shutting down",
				    "picket sends the batch again"},
	[SITUATION_LUNAR_OTHER] = {"lunar_other", "the Lunar proxy failed",
				   "its log should say why; picket sends the batch again"},
	[SITUATION_LUNAR_QUOTA] = {"lunar_quota", "a flow of the Lunar proxy asks us to slow down",
				   "raise its quota for lunar_tag, or batch_events and linger_ms"},
	[SITUATION_LUNAR_ANSWERED] =
		{"lunar_answered", "a flow of the Lunar proxy answered in the gateway's place",
		 "no such answer is a verdict: have its flow let through what picket sends"},
	[SITUATION_LUNAR_ENQUEUED] =
		{"lunar_enqueued", "the Lunar proxy keeps it for later",
		 "verdicts cannot come back this way: take its asynchronous flow off this "
		 "url if they should"},
	[SITUATION_GUARDRAIL] =
		{"guardrail", "a guardrail of the gateway refused what picket sent",
		 "hook_results in its answer names the check: what attackers write often looks "
		 "like an attack on a model; leave picket's route without it"},
	[SITUATION_GUARDRAIL_PASSED] = {"guardrail_passed", "it took the batch, though a guardrail warned",
					"hook_results in its answer names the check"},
	[SITUATION_PORTKEY_CONFIG] =
		{"portkey_config", "Portkey does not know where to send it",
		 "headers need x-portkey-provider, or x-portkey-config with its api_key inside; a host of "
		 "your own must stand in its TRUSTED_CUSTOM_HOSTS"},
	[SITUATION_PROVIDER_UNREACHABLE] = {"provider_unreachable",
					    "the gateway does not reach the model's provider",
					    "its log should say why; picket sends the batch again"},
	[SITUATION_PROVIDER_NO_JSON] = {"provider_no_json",
					"what the gateway got from behind it was no answer of a model",
					"check provider and path at the gateway; the batch is not sent "
					"again, it may have been read"},
	[SITUATION_APIPARK_KEY] = {"apipark_key", "APIPark does not take the key",
				   "profile: apipark sends it without \"Bearer\"; is it a consumer's key, "
				   "and is it still valid?"},
	[SITUATION_APIPARK_ROUTE] = {"apipark_route", "APIPark's route is switched off",
				     "publish the service there"},
	[SITUATION_APIPARK_PROVIDER] =
		{"apipark_provider", "APIPark has no provider or key for that model",
		 "model is PROVIDER/MODEL by its names; set the provider's key up there"},
	[SITUATION_NO_UPSTREAM] = {"apipark_upstream",
				   "the gateway has nobody to send it to, or takes no POST",
				   "check the path in url; at APIPark, the upstream of the service"},
	[SITUATION_QUOTA] = {"quota", "the model's provider says that the money or quota is used up",
			     "pay or raise it there; picket asks again after an hour"},
	[SITUATION_CONTENT_FILTER] = {"content_filter",
				      "the provider does not let its model see what attackers write",
				      "another provider, or sample and clients to send less of it"},
	[SITUATION_MODEL] = {"model", "the gateway does not know the model", "see model"},
	[SITUATION_RESPONSE_FORMAT] = {"response_format", "the model does not take this response_format",
				       "response_format: auto tries the others"},
	[SITUATION_TEMPERATURE] = {"temperature", "the model does not take temperature 0",
				   "set send_temperature: false"},
	[SITUATION_MAX_TOKENS] = {"max_tokens", "the model wants its tokens limited under another name",
				  "set max_tokens_key to the other of max_tokens and max_completion_tokens"},
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
	[SITUATION_CONTENT_TYPE] =
		{"content_type", "it does not take application/cloudevents-batch+json, or not compressed",
		 "is url that of a gateway that speaks the protocol batch? Else leave out compression"},
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
	[SITUATION_UNSIGNED] = {"unsigned", "its answer is not signed",
				"have it sign its verdicts as docs/gateway-batch.md says, or set verdicts: "
				"false"},
	[SITUATION_SIGNATURE] = {"signature", "the signature of its answer is not good",
				 "is verify_key_file that of its key? docs/gateway-batch.md has what it must "
				 "cover"},
	[SITUATION_DIGEST] = {"digest", "its answer is not the one that it signed",
			      "something on the way changes bodies: a proxy, a compression"},
	[SITUATION_STALE] =
		{"stale", "its answer was signed too long ago, or ahead of time",
		 "compare the clocks of both hosts; signature_window says how far they may differ"},
	[SITUATION_OTHER_BATCH] =
		{"other_batch", "its answer belongs to another batch",
		 "something repeats answers: a cache between, or the gateway by Idempotency-Key alone"},
	[SITUATION_NO_VERDICTS] =
		{"no_verdicts", "its answer is no list of verdicts",
		 "docs/gateway-batch.md has the form; verdicts: false if nothing is to be read"},
	[SITUATION_SOME_REFUSED] = {"some_refused", "some of its verdicts cannot be used",
				    "docs/gateway-batch.md explains the reasons"},
	[SITUATION_LATE] = {"late", "its answer came after deadline_ms, and counts for nothing",
			    "is the model overloaded? A smaller batch_events is answered sooner"},
	[SITUATION_NO_COMPLETION] = {"no_completion", "the model's answer cannot be used",
				     "docs/gateway-openai.md explains the reasons"},
	[SITUATION_TAKEN] = {"taken", "it took the batch", ""},
};

/*
 * What the headers of an answer say, before status and body: who sent it is known by them alone. value NULL:
 * any.
 */
static const struct field_row {
	unsigned low, high;
	const char *field, *value;
	enum situation situation;
} field_rows[] = {
	{0, 999, "x-lunar-error", "1", SITUATION_LUNAR_NO_HOST},
	{0, 999, "x-lunar-error", "2", SITUATION_LUNAR_UNREACHABLE},
	{0, 999, "x-lunar-error", "3", SITUATION_LUNAR_TIMEOUT},
	{0, 999, "x-lunar-error", "4", SITUATION_LUNAR_NO_ENDPOINT},
	{0, 999, "x-lunar-error", "5", SITUATION_LUNAR_UNRESOLVED},
	{0, 999, "x-lunar-error", "6", SITUATION_LUNAR_NOT_ALLOWED},
	{0, 999, "x-lunar-error", "7", SITUATION_LUNAR_NOT_ALLOWED},
	{0, 999, "x-lunar-error", "10", SITUATION_LUNAR_ENDING},
	{0, 999, "x-lunar-error", NULL, SITUATION_LUNAR_OTHER},
	{429, 429, "x-lunar-generated", "true", SITUATION_LUNAR_QUOTA},
	{0, 999, "x-lunar-generated", "true", SITUATION_LUNAR_ANSWERED},
	{202, 202, "x-lunar-enqueued", "true", SITUATION_LUNAR_ENQUEUED},
	{500, 500, "x-portkey-gateway-exception", "true", SITUATION_PROVIDER_NO_JSON},
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
	{CURLE_OK, 246, 246, NULL, SITUATION_GUARDRAIL_PASSED},
	{CURLE_OK, 200, 299, NULL, SITUATION_TAKEN},
	{CURLE_OK, 300, 399, NULL, SITUATION_REDIRECT},
	{CURLE_OK, 400, 400, "No required SSL certificate was sent", SITUATION_CLIENT_WANTED},
	{CURLE_OK, 400, 400, "The SSL certificate error", SITUATION_CLIENT_REFUSED},
	{CURLE_OK, 400, 400, "plain HTTP request was sent to HTTPS port", SITUATION_TLS_EXPECTED},
	{CURLE_OK, 400, 400, "\"status\":\"failure\"", SITUATION_PORTKEY_CONFIG},
	{CURLE_OK, 400, 400, "provider not found", SITUATION_APIPARK_PROVIDER},
	{CURLE_OK, 400, 400, "key not found", SITUATION_APIPARK_PROVIDER},
	{CURLE_OK, 400, 400, "all key resources", SITUATION_APIPARK_PROVIDER},
	{CURLE_OK, 400, 429, "exceeded_current_quota_error", SITUATION_QUOTA},
	{CURLE_OK, 400, 429, "insufficient_quota", SITUATION_QUOTA},
	{CURLE_OK, 400, 429, "insufficient_user_quota", SITUATION_QUOTA},
	{CURLE_OK, 400, 429, "budget_exceeded", SITUATION_QUOTA},
	{CURLE_OK, 400, 400, "content_filter", SITUATION_CONTENT_FILTER},
	{CURLE_OK, 400, 400, "high risk", SITUATION_CONTENT_FILTER},
	{CURLE_OK, 400, 400, "context_length_exceeded", SITUATION_TOO_MUCH},
	{CURLE_OK, 400, 404, "model_not_found", SITUATION_MODEL},
	{CURLE_OK, 400, 400, "response_format", SITUATION_RESPONSE_FORMAT},
	{CURLE_OK, 400, 400, "tool_choice", SITUATION_RESPONSE_FORMAT},
	{CURLE_OK, 400, 400, "max_completion_tokens", SITUATION_MAX_TOKENS},
	{CURLE_OK, 400, 400, "temperature", SITUATION_TEMPERATURE},
	{CURLE_OK, 401, 401, "missing or invalid token", SITUATION_APIPARK_KEY},
	{CURLE_OK, 401, 401, "apikey error", SITUATION_APIPARK_KEY},
	{CURLE_OK, 401, 401, "is disabled", SITUATION_APIPARK_KEY},
	{CURLE_OK, 401, 401, NULL, SITUATION_TOKEN},
	{CURLE_OK, 403, 403, "Request forbidden by administrative rules", SITUATION_HAPROXY_DENIED},
	{CURLE_OK, 403, 403, NULL, SITUATION_FORBIDDEN},
	{CURLE_OK, 404, 404, "router disable", SITUATION_APIPARK_ROUTE},
	{CURLE_OK, 404, 405, NULL, SITUATION_NOT_FOUND},
	{CURLE_OK, 408, 408, NULL, SITUATION_GAVE_UP},
	{CURLE_OK, 413, 413, NULL, SITUATION_TOO_MUCH},
	{CURLE_OK, 415, 415, NULL, SITUATION_CONTENT_TYPE},
	{CURLE_OK, 429, 429, NULL, SITUATION_SLOW_DOWN},
	{CURLE_OK, 446, 446, NULL, SITUATION_GUARDRAIL},
	{CURLE_OK, 500, 500, "html-message", SITUATION_PROVIDER_UNREACHABLE},
	{CURLE_OK, 501, 501, NULL, SITUATION_NO_UPSTREAM},
	{CURLE_OK, 500, 999, NULL, SITUATION_FAILED},
	{CURLE_OK, 0, 999, NULL, SITUATION_REFUSED},
};

static bool holds(struct span text, const char *part)
{
	return text.len && memmem(text.ptr, text.len, part, strlen(part));
}

/* SITUATION_MAX: its headers say nothing. */
static enum situation situation_of_head(const struct transport_answer *a)
{
	struct span value;

	for (size_t i = 0; i < ARRAY_SIZE(field_rows); i++) {
		const struct field_row *r = &field_rows[i];

		if (a->status < r->low || a->status > r->high || !http_field(a->head, r->field, 0, &value))
			continue;
		if (!r->value || span_equal_nocase(value, span_from(r->value)))
			return r->situation;
	}
	return SITUATION_MAX;
}

enum situation situation_of(const struct transport_answer *a)
{
	struct span text = a->error != CURLE_OK ? span_from(a->error_text) : a->body;
	enum situation head = a->error == CURLE_OK ? situation_of_head(a) : SITUATION_MAX;

	if (head != SITUATION_MAX)
		return head;
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

static enum situation situation_of_fault(int fault, struct span text)
{
	switch (fault) {
	case VERDICT_E_UNSIGNED:
		return holds(text, "\"error\"") && !holds(text, "\"verdicts\"") ? SITUATION_ERROR_INSIDE
										: SITUATION_UNSIGNED;
	case VERDICT_E_SIGNATURE:
		return SITUATION_SIGNATURE;
	case VERDICT_E_DIGEST:
		return SITUATION_DIGEST;
	case VERDICT_E_STALE:
		return SITUATION_STALE;
	case VERDICT_E_OTHER_BATCH:
		return SITUATION_OTHER_BATCH;
	case VERDICT_E_SHAPE:
		return holds(text, "\"error\"") ? SITUATION_ERROR_INSIDE : SITUATION_NO_VERDICTS;
	default:
		return SITUATION_NO_VERDICTS;
	}
}

enum situation situation_of_body(struct span body, int fault, const uint64_t refused[static VERDICT_E_MAX])
{
	struct span text = body;

	while (text.len && strchr(" \t\r\n", *text.ptr))
		text = (struct span){text.ptr + 1, text.len - 1};
	if (fault && text.len && *text.ptr == '<')
		return SITUATION_WEB_PAGE;
	if (fault)
		return situation_of_fault(fault, text);
	for (unsigned e = 1; e < VERDICT_E_MAX; e++)
		if (refused[e])
			return SITUATION_SOME_REFUSED;
	return SITUATION_TAKEN;
}

bool situation_is_taken(enum situation s)
{
	return s == SITUATION_TAKEN || s == SITUATION_GUARDRAIL_PASSED;
}

bool situation_is_good(enum situation s)
{
	return situation_is_taken(s) || s == SITUATION_LUNAR_ENQUEUED;
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
