// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grpc

import (
	"strconv"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// maxTimeout is longer than any call lives.
const maxTimeout = 30 * 24 * time.Hour

// ParseTimeout reads how long a call may take. Zero is without an end.
func ParseTimeout(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	unit, digits := s[len(s)-1], s[:len(s)-1]
	n, err := strconv.ParseUint(digits, 10, 32)
	units := map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond}
	of, ok := units[unit]
	if err != nil || !ok || len(digits) > 8 || strings.Trim(digits, "0123456789") != "" {
		return 0, sallyport.E(sallyport.Invalid, "grpc", "grpc-timeout is no time").WithHint("send at most 8 digits and a unit, as in 30S")
	}
	if n >= uint64(maxTimeout/of) {
		return maxTimeout, nil
	}
	return max(time.Duration(n)*of, 1), nil //nolint:gosec // it is below maxTimeout
}

// FormatTimeout writes a time as a call has it, and nothing for none.
func FormatTimeout(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < 100*time.Second:
		return strconv.FormatInt(int64(max(d/time.Microsecond, 1)), 10) + "u"
	}
	return strconv.FormatInt(int64(min(d, maxTimeout)/time.Second), 10) + "S"
}
