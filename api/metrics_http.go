package api

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// httpMetrics counts and times requests by route pattern, method and status: never by path, which names customers.
type httpMetrics struct {
	latency *prometheus.HistogramVec
	// balance is the hot route's histogram for the statuses it nearly always has, found once.
	balance, unchanged prometheus.Observer
}

func newHTTPMetrics() *httpMetrics {
	m := &httpMetrics{latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "accrue",
		Name:      "http_request_seconds",
		Help:      "Time to answer a request, by route and status.",
		Buckets:   []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "status"})}
	m.balance = m.latency.WithLabelValues(balancePattern, strconv.Itoa(statusRead))
	m.unchanged = m.latency.WithLabelValues(balancePattern, strconv.Itoa(statusSame))
	return m
}

func (m *httpMetrics) observe(route string, status int, d time.Duration) {
	if status == 0 {
		status = http.StatusOK
	}
	if route == "" {
		route = "/"
	}
	switch {
	case route == balancePattern && status == statusRead:
		m.balance.Observe(d.Seconds())
	case route == balancePattern && status == statusSame:
		m.unchanged.Observe(d.Seconds())
	default:
		m.latency.WithLabelValues(route, strconv.Itoa(status)).Observe(d.Seconds())
	}
}

// recorder remembers the status that a handler chose.
type recorder struct {
	http.ResponseWriter
	status int
}

// recorders are used again: one is needed for every request.
var recorders = sync.Pool{New: func() any { return new(recorder) }}

// WriteHeader implements [http.ResponseWriter].
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap serves [http.ResponseController].
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
