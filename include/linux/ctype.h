/* Kinds of letters, of ASCII only. */
#pragma once

static inline int isdigit(int letter)
{
	return letter >= '0' && letter <= '9';
}

static inline int isupper(int letter)
{
	return letter >= 'A' && letter <= 'Z';
}

static inline int islower(int letter)
{
	return letter >= 'a' && letter <= 'z';
}

static inline int isalpha(int letter)
{
	return isupper(letter) || islower(letter);
}

static inline int isalnum(int letter)
{
	return isalpha(letter) || isdigit(letter);
}

static inline int isspace(int letter)
{
	return letter == ' ' || (letter >= '\t' && letter <= '\r');
}

static inline int isprint(int letter)
{
	return letter >= ' ' && letter <= '~';
}

static inline int isxdigit(int letter)
{
	return isdigit(letter) || (letter >= 'a' && letter <= 'f') || (letter >= 'A' && letter <= 'F');
}

static inline int tolower(int letter)
{
	return isupper(letter) ? letter + ('a' - 'A') : letter;
}

static inline int toupper(int letter)
{
	return islower(letter) ? letter - ('a' - 'A') : letter;
}
