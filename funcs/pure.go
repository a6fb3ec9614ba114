package funcs

import "strings"

// Pure tells whether a function gives the same whenever its arguments are the same, and
// so are the answers to the queries that it asks, and has no effect but its result:
// what it has given need not be asked for again. What stays the same while ctmpl runs,
// as its environment and its time zone, does not count; nor do keys and values, which
// give their list in any order.
//
// Those that change a map that they are given count as pure. It is for the caller to
// see to it that the map was made by what is not called again.
//
// call can call anything. executeTemplate is as pure as the template is.
func Pure(name string) bool { return Asks(name) || pure[strings.TrimPrefix(name, "sprig_")] }

// Asks tells whether a function asks a query.
func Asks(name string) bool { return queries[name] }

var queries = setOf(`caLeaf caRoots connect datacenters exportedServices file importedServices key keyExists keyOrDefault
	ls node nodes partitions peerings safeLs safeTree service services tree`)

// A function is in none of these lists unless somebody has looked at what it does.
var pure = setOf(
	// of text/template
	`and eq ge gt html index js le len lt ne not or print printf println slice urlquery`,

	// for nginx
	`nginxAddress nginxComment nginxDuration nginxHeader nginxHost nginxInt nginxName nginxNetwork nginxPath
	nginxPort nginxServer nginxServerName nginxSize nginxString nginxSwitch nginxWeight nginxWeights nginxWildcard raw var`,

	// consul-template's
	`add base64Decode base64Encode base64URLDecode base64URLEncode byKey byMeta byPort byTag contains containsAll
	containsAny containsNone containsNotAll divide env envOrDefault explode explodeMap hmacSHA256Hex in indent
	join loop maximum md5sum mergeMap mergeMapWithOverride minimum modulo multiply mustEnv parseBool parseFloat
	parseInt parseJSON parseUint parseYAML regexMatch regexReplaceAll replaceAll sha256Hex split splitToMap
	subtract toJSON toJSONPretty toLower toTOML toTitle toUnescapedJSON toUnescapedJSONPretty toUpper toYAML trim
	trimPrefix trimSpace trimSuffix`,

	// sprig's
	`abbrev abbrevboth add1 add1f addf adler32sum all any append atoi b32dec b32enc b64dec b64enc base biggest
	buildCustomCert camelcase cat ceil chunk clean coalesce compact concat decryptAES deepCopy deepEqual default
	derivePassword dict dig dir div divf duration empty ext fail first float64 floor fromJson get has hasKey
	hasPrefix hasSuffix hello initial initials int int64 isAbs kebabcase keys kindIs kindOf last list lower max
	maxf merge mergeOverwrite min minf mod mul mulf mustAppend mustChunk mustCompact mustDateModify mustDeepCopy
	mustFirst mustFromJson mustHas mustInitial mustLast mustMerge mustMergeOverwrite mustPrepend mustPush
	mustRegexFind mustRegexFindAll mustRegexMatch mustRegexReplaceAll mustRegexReplaceAllLiteral mustRegexSplit
	mustRest mustReverse mustSlice mustToDate mustToJson mustToPrettyJson mustToRawJson mustUniq mustWithout
	must_date_modify nindent nospace omit osBase osClean osDir osExt osIsAbs pick pluck plural prepend push quote
	regexFind regexFindAll regexQuoteMeta regexReplaceAllLiteral regexSplit repeat replace rest reverse round
	semver semverCompare seq set sha1sum sha256sum sha512sum snakecase sortAlpha splitList splitn squote sub subf
	substr swapcase ternary title toDate toDecimal toJson toPrettyJson toRawJson toString toStrings trimAll
	trimall trunc tuple typeIs typeIsLike typeOf uniq unixEpoch unset until untilStep untitle upper urlJoin
	urlParse values without wrap wrapWith`,
)

func setOf(lists ...string) map[string]bool {
	set := map[string]bool{}
	for _, list := range lists {
		for name := range strings.FieldsSeq(list) {
			set[name] = true
		}
	}
	return set
}
