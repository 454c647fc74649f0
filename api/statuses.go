package api

import "net/http"

// Reason is a stable code for what went wrong. A command that the rules refused has the decision's own reason instead
// ("balance_too_low"), which is not listed here: all of those are conflicts.
type Reason string

// The reasons of the API itself.
const (
	// The request is at fault.
	ReasonInvalidJSON      Reason = "invalid_json"
	ReasonInvalidRequest   Reason = "invalid_request"
	ReasonInvalidEvent     Reason = "invalid_event"
	ReasonTooManyEvents    Reason = "too_many_events"
	ReasonBodyTooLarge     Reason = "body_too_large"
	ReasonNotJSON          Reason = "content_type_not_json"
	ReasonNoSuchRoute      Reason = "no_such_route"
	ReasonMethodNotAllowed Reason = "method_not_allowed"
	ReasonRequestTimeout   Reason = "request_timeout"
	ReasonNotAcceptable    Reason = "not_acceptable"
	ReasonNoHashKey        Reason = "no_hash_key"

	// What was asked for is not there.
	ReasonUnknownCustomer   Reason = "unknown_customer"
	ReasonErased            Reason = "erased"
	ReasonUnknownOrder      Reason = "unknown_order"
	ReasonUnknownEvent      Reason = "unknown_event"
	ReasonUnknownRedemption Reason = "unknown_redemption"

	// The customer's state is against it.
	ReasonConflict      Reason = "event_id_reused"
	ReasonAccountMerged Reason = "account_merged"

	// Somebody else answers, or nobody yet.
	ReasonNoProgram          Reason = "no_program"
	ReasonNotOwner           Reason = "not_owner"
	ReasonNoOwner            Reason = "no_owner"
	ReasonRestoring          Reason = "restoring"
	ReasonQuarantined        Reason = "quarantined"
	ReasonPositionNotReached Reason = "position_not_reached"
	ReasonKafkaUnavailable   Reason = "kafka_unavailable"
	ReasonDecisionPending    Reason = "decision_pending"
	ReasonStoreUnavailable   Reason = "store_unavailable"
	ReasonTooLong            Reason = "history_too_long"
	ReasonInternal           Reason = "internal_error"
)

// What the routes have in common, for their description: bodyReasons is why a body is refused, ownerReasons why nobody here
// answers for a customer.
var (
	bodyReasons  = []Reason{ReasonInvalidJSON, ReasonRequestTimeout, ReasonBodyTooLarge, ReasonNotJSON}
	ownerReasons = []Reason{ReasonNotOwner, ReasonNoOwner, ReasonRestoring, ReasonQuarantined, ReasonStoreUnavailable,
		ReasonNoProgram}
)

// Status returns the HTTP status of r; reasons of decisions are conflicts.
func (r Reason) Status() int {
	switch r {
	case ReasonInvalidJSON:
		return http.StatusBadRequest
	case ReasonInvalidRequest, ReasonInvalidEvent, ReasonNoHashKey, ReasonTooLong:
		return http.StatusUnprocessableEntity
	case ReasonTooManyEvents, ReasonBodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case ReasonNotJSON:
		return http.StatusUnsupportedMediaType
	case ReasonNotAcceptable:
		return http.StatusNotAcceptable
	case ReasonMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case ReasonRequestTimeout:
		return http.StatusRequestTimeout
	case ReasonNoSuchRoute, ReasonUnknownCustomer, ReasonErased, ReasonUnknownOrder, ReasonUnknownEvent,
		ReasonUnknownRedemption:
		return http.StatusNotFound
	case ReasonNotOwner:
		return http.StatusMisdirectedRequest
	case ReasonNoOwner, ReasonRestoring, ReasonQuarantined, ReasonPositionNotReached, ReasonKafkaUnavailable,
		ReasonDecisionPending, ReasonStoreUnavailable, ReasonNoProgram:
		return http.StatusServiceUnavailable
	case ReasonInternal:
		return http.StatusInternalServerError
	default:
		return http.StatusConflict
	}
}

// retryAfterSeconds is what clients are told to wait before they ask again; 0: asking again does not help.
func (r Reason) retryAfterSeconds() int {
	switch r {
	case ReasonRestoring, ReasonQuarantined, ReasonNoProgram:
		return 5
	case ReasonNoOwner, ReasonPositionNotReached, ReasonKafkaUnavailable, ReasonDecisionPending, ReasonStoreUnavailable:
		return 1
	default:
		return 0
	}
}

// The statuses of what succeeded.
const (
	statusRead     = http.StatusOK
	statusTaken    = http.StatusAccepted
	statusMixed    = http.StatusMultiStatus
	statusRedeemed = http.StatusCreated
	statusSettled  = http.StatusOK
	statusSame     = http.StatusNotModified
	statusNotReady = http.StatusServiceUnavailable
)
