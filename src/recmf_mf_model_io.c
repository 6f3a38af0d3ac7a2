/*
 * recmf_mf_model_io.c
 *	  The type mf_model in SQL: input and output, and its contents as rows.
 *
 * What comes in from outside is checked whole; see recmf_mf_model_fault().
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "recmf_factor.h"
#include "recmf_mf_model.h"

PG_FUNCTION_INFO_V1(recmf_mf_model_in);
PG_FUNCTION_INFO_V1(recmf_mf_model_out);
PG_FUNCTION_INFO_V1(recmf_mf_model_recv);
PG_FUNCTION_INFO_V1(recmf_mf_model_send);
PG_FUNCTION_INFO_V1(recmf_mf_model_user_factors);
PG_FUNCTION_INFO_V1(recmf_mf_model_item_factors);
PG_FUNCTION_INFO_V1(recmf_mf_model_info);

/*
 * Input and output
 */

Datum
recmf_mf_model_in(PG_FUNCTION_ARGS)
{
	const char *string = PG_GETARG_CSTRING(0);
	Size		length = strlen(string);
	MfModel    *model;
	Size		size;
	const char *fault;

	if (length < 2 || string[0] != '\\' || string[1] != 'x' || length % 2 != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type mf_model"),
				 errdetail("The text form is \\x and an even number of hexadecimal digits."),
				 errhint("Models are made by mf_train.")));

	size = VARHDRSZ + (length - 2) / 2;
	model = (MfModel *) palloc(size);
	SET_VARSIZE(model, size);
	(void) hex_decode(string + 2, length - 2, VARDATA(model));

	fault = recmf_mf_model_fault(model);
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid value for type mf_model"),
				 errdetail("%s", fault),
				 errhint("Models are made by mf_train.")));
	PG_RETURN_POINTER(model);
}

Datum
recmf_mf_model_out(PG_FUNCTION_ARGS)
{
	struct varlena *model = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
	Size		length = VARSIZE_ANY_EXHDR(model);
	char	   *string = (char *) palloc(2 * length + 3);

	string[0] = '\\';
	string[1] = 'x';
	(void) hex_encode(VARDATA_ANY(model), length, string + 2);
	string[2 * length + 2] = '\0';
	PG_RETURN_CSTRING(string);
}

Datum
recmf_mf_model_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	int			length = buffer->len - buffer->cursor;
	MfModel    *model = (MfModel *) palloc(VARHDRSZ + (Size) length);
	const char *fault;

	SET_VARSIZE(model, VARHDRSZ + length);
	pq_copymsgbytes(buffer, VARDATA(model), length);

	fault = recmf_mf_model_fault(model);
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid value for type mf_model"),
				 errdetail("%s", fault),
				 errhint("Models are made by mf_train.")));
	PG_RETURN_POINTER(model);
}

Datum
recmf_mf_model_send(PG_FUNCTION_ARGS)
{
	struct varlena *model = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendbytes(&buffer, VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

/*
 * The contents as rows
 */

static Datum
factor_rows(FunctionCallInfo fcinfo, rmf_side side)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MfModelView view;
	const MfModelIds *ids;
	const float *rows;
	MemoryContext row_context;
	MemoryContext caller;
	int32		r;

	InitMaterializedSRF(fcinfo, 0);
	recmf_mf_model_get(fcinfo, 0, &view);
	ids = side == RMF_USERS ? &view.users : &view.items;
	rows = side == RMF_USERS ? view.user_rows : view.item_rows;

	row_context = AllocSetContextCreate(CurrentMemoryContext, "mf_model row", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(row_context);
	for (r = 0; r < ids->count; r++)
	{
		const float *row = rows + (Size) r * view.dimensions;
		Datum		values[4];
		bool		nulls[4] = {false};
		int32		n_ratings;

		values[0] = recmf_mf_model_id_text(ids, r);
		values[1] = PointerGetDatum(recmf_factor_from_floats(view.dimensions, row));
		if (rmf_has_biases(&view.problem))
			values[2] = Float4GetDatum(row[rmf_bias_position(&view.problem, side)]);
		else
		{
			values[2] = (Datum) 0;
			nulls[2] = true;
		}
		if (side == RMF_USERS)
			(void) recmf_mf_model_seen(&view, r, &n_ratings);
		else
			n_ratings = view.item_n_ratings[r];
		values[3] = Int32GetDatum(n_ratings);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);

		MemoryContextReset(row_context);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(row_context);
	return (Datum) 0;
}

Datum
recmf_mf_model_user_factors(PG_FUNCTION_ARGS)
{
	return factor_rows(fcinfo, RMF_USERS);
}

Datum
recmf_mf_model_item_factors(PG_FUNCTION_ARGS)
{
	return factor_rows(fcinfo, RMF_ITEMS);
}

Datum
recmf_mf_model_info(PG_FUNCTION_ARGS)
{
	TupleDesc	descriptor;
	MfModelView view;
	const MfModel *header;
	rmf_settings settings;
	Datum		values[14];
	bool		nulls[14] = {false};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE ||
		descriptor->natts != lengthof(values))
		elog(ERROR, "return type must be a row type of %d columns", (int) lengthof(values));
	descriptor = BlessTupleDesc(descriptor);

	recmf_mf_model_get(fcinfo, 0, &view);
	header = view.header;
	recmf_mf_model_settings(header, &settings);

	values[0] = CStringGetTextDatum(recmf_feedback_name(settings.feedback));
	values[1] = Int32GetDatum(header->factors);
	values[2] = Int32GetDatum(header->n_users);
	values[3] = Int32GetDatum(header->n_items);
	values[4] = Int64GetDatum(header->n_ratings);
	values[5] = Int64GetDatum(header->n_skipped);
	values[6] = Float8GetDatum(header->rating_mean);
	values[7] = Float8GetDatum(header->rating_min);
	values[8] = Float8GetDatum(header->rating_max);
	values[9] = Float8GetDatum(header->loss);
	values[10] = Float8GetDatum(header->rmse);
	values[11] = CStringGetTextDatum(recmf_mf_model_id_type_name(header->user_id_type));
	values[12] = CStringGetTextDatum(recmf_mf_model_id_type_name(header->item_id_type));
	values[13] = PointerGetDatum(recmf_settings_to_jsonb(&settings));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls)));
}
