/*
 * rmf_status.c
 *	  Status codes of the numeric core in words.
 */
#include "rmf_status.h"

const char *
rmf_status_message(rmf_status status)
{
	switch (status)
	{
		case RMF_OK:
			return "no error";
		case RMF_CANCELLED:
			return "cancelled on request";
		case RMF_BAD_ARGUMENT:
			return "an argument is out of range";
		case RMF_NOT_FINITE:
			return "a value left the range of single precision numbers";
		case RMF_SINGULAR:
			return "a system of equations has no unique solution";
		case RMF_OVERFLOW:
			return "a size is too large for its type";
		case RMF_BLAS_BROKEN:
			return "the linear algebra library computes wrong results";
	}
	return "unknown status";
}
