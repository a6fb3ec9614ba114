package funcs

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"text/template"
)

// hashFuncs are the functions between bytes and their spelling as text.
func hashFuncs() template.FuncMap {
	return template.FuncMap{
		"base64Decode":    base64Decoder("base64Decode", base64.StdEncoding),
		"base64Encode":    base64Encoder(base64.StdEncoding),
		"base64URLDecode": base64Decoder("base64URLDecode", base64.URLEncoding),
		"base64URLEncode": base64Encoder(base64.URLEncoding),
		"hmacSHA256Hex":   hmacSHA256Hex,
		"md5sum":          md5sum,
		"sha256Hex":       sha256Hex,
	}
}

// base64Decoder gives the function name, which reads padded base64. Line breaks
// are ignored; anything else outside of the alphabet is an error.
func base64Decoder(name string, encoding *base64.Encoding) func(string) (string, error) {
	return func(s string) (string, error) {
		b, err := encoding.DecodeString(s)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err) // tells the position alone
		}
		return string(b), nil
	}
}

func base64Encoder(encoding *base64.Encoding) func(string) string {
	return func(s string) string { return encoding.EncodeToString([]byte(s)) }
}

// hmacSHA256Hex gives the HMAC-SHA-256 of message under key, in lower case hex.
func hmacSHA256Hex(message, key string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(message))
	return hex.EncodeToString(mac.Sum(nil))
}

func md5sum(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
