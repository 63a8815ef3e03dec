/* reports.c - GET /jobs/{id}/reports: the newest of each name, for the job's page. */
#include "server/api/handlers.h"

struct report_call {
    struct call call;
    int64_t job;
    json_t *items;
};

static int add_report(void *arg, const struct report_row *row) {
    struct report_call *call = arg;
    json_t *item = json_pack("{s:s, s:I, s:I, s:o}", "name", row->name, "step", (json_int_t)row->step,
                             "time_ms", (json_int_t)row->time_ms, "data", null_or_text_json(row->data));
    return json_array_append_new(call->items, item) ? TG_ENO_MEMORY : TG_OK;
}

static int list_reports(struct store_tx *tx, void *arg, struct problem *problem) {
    struct report_call *call = arg;
    int error = call_job_exists(tx, call->job, problem);
    return error ? error : report_list(tx, call->job, add_report, call);
}

static void reports_listed(void *arg, int error, const struct problem *problem) {
    struct report_call *call = arg;
    if (!call_failed(&call->call, error, problem)) {
        http_reply_json(call->call.request, 200, json_pack("{s:O}", "items", call->items));
    }
}

void handle_job_reports(struct http_request *request, void *context) {
    struct report_call *call = call_begin(request, context, sizeof *call);
    if (!call || call_param_id(request, &call->job) != TG_OK) {
        return;
    }
    call->items = json_array();
    if (!call->items) {
        http_reply_error(request, TG_ENO_MEMORY, NULL, "the server is out of memory; try again later");
        return;
    }
    call_keep(request, call->items);
    call_read(&call->call, list_reports, reports_listed);
}
