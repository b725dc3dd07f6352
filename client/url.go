package client

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// checkBase returns the URL without slashes at its end. The text may contain a
// password, so no error quotes it.
func checkBase(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return "", errors.New("it is empty; give the provider's, such as https://host")
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return "", errors.New("it is not an absolute URL; give one such as https://host")
	case u.User != nil:
		return "", errors.New("it has a user name; leave that out")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("it has a query or a fragment; give scheme, host and path only")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "", errors.New("plain http would expose keys in transit; use https (http is for loopback only)")
	case u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("its scheme is not https; use https")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// checkPayURL refuses a URL that customers or webhooks must not be sent to. It accepts
// an absolute https URL without a user name, and on loopback also such an http URL.
func checkPayURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return errors.New("is not an absolute https URL")
	}
	return nil
}
