"""Words of the simulated world: names of people and shops, and messages of payers.

Common Brazilian given names and surnames are combined at random; this is not a list of real people.
Texts contain an ampersand and accents on purpose: they must survive XML and JSON.
"""


def _words(text: str, separator: str | None = None) -> tuple[str, ...]:
    return tuple(text.split(separator))


GIVEN = _words(
    "Adriana Alessandra Aline Amanda Ana André Antônio Beatriz Benedito Bruna Bruno Caio Camila "
    "Carlos Caroline Cecília Cláudia Daniel Débora Diego Eduarda Eduardo Elisa Fábio Fernanda "
    "Francisco Gabriel Gabriela Geraldo Gustavo Helena Heitor Isabela Jéssica João Jorge José "
    "Juliana Larissa Leandro Letícia Luana Lucas Luiz Manuela Marcela Marcos Maria Mateus Mônica "
    "Natália Otávio Patrícia Paulo Pedro Rafael Raquel Renata Ricardo Roberta Rodrigo Rosângela "
    "Sandra Sebastião Sílvia Tatiana Thiago Valéria Vanessa Vinícius Vitória Wagner Yasmin"
)

SURNAMES = _words(
    "Alencar Almeida Alves Andrade Aragão Araújo Assunção Azevedo Barbosa Barros Batista Bezerra "
    "Borges Braga Brandão Brito Cardoso Carvalho Castro Cavalcanti Coelho Correia Costa Cunha "
    "Dantas Dias Domingues Duarte Fagundes Farias Fernandes Ferraz Ferreira Figueiredo Fonseca "
    "Freitas Garcia Gomes Gonçalves Guimarães Leal Leite Lima Lopes Macedo Machado Magalhães "
    "Marques Martins Medeiros Melo Mendes Menezes Miranda Monteiro Moraes Moreira Moura Nogueira "
    "Nunes Oliveira Pacheco Peixoto Pereira Pinheiro Pinto Pires Queiroz Ramos Rezende Ribeiro "
    "Rocha Rodrigues Sales Sampaio Santana Santos Siqueira Soares Souza Tavares Teixeira Torres "
    "Vasconcelos Vieira Xavier"
)

TRADES = _words(
    "Açougue|Armarinho|Auto Peças|Barbearia|Brechó|Cafeteria|Casa de Bolos|Confeitaria|Doceria|"
    "Drogaria|Empório|Escola de Idiomas|Farmácia|Floricultura|Hamburgueria|Hortifruti|Lanchonete|"
    "Lavanderia|Livraria|Loja de Tintas|Marmitaria|Mercearia|Oficina|Ótica|Padaria|Papelaria|"
    "Pet Shop|Pizzaria|Pousada|Restaurante|Salão de Beleza|Sorveteria|Supermercado",
    "|",
)

SHOP_WORDS = _words(
    "Aurora|Bela Vista|Boa Esperança|Campos & Filhos|Central|Cruzeiro do Sul|da Esquina|da Praça|"
    "das Flores|do Bairro Alto|do Porto|Estrela do Norte|Ipê Amarelo|Jardim Secreto|Lua Nova|"
    "Mar Aberto|Monte Verde|Nova Era|Pedra Branca|Primavera|Recanto|Rio Claro|Santa Rita|São Bento|"
    "Sol Nascente|Três Irmãos|Vale do Sereno|Vila Madalena|Viva Bem",
    "|",
)

MESSAGES = (
    "aluguel",
    "almoço de sexta",
    "parcela 3/10",
    "obrigado!",
    "pão & café",
    "conserto da geladeira",
    "presente de aniversário",
    "mensalidade",
    "vaquinha do churrasco",
    "pedido 4471",
    "frete",
    "corte de cabelo",
    "material de construção",
    "reserva do chalé",
)

SCAM_MESSAGES = (
    "taxa de liberação do prêmio",
    "investimento com retorno garantido",
    "número novo, preciso pagar hoje",
    "desbloqueio da conta",
    "taxa de entrega da encomenda",
)
